"""Lists that people filled: what they say, and what is wrong with a row, in words."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.errors import InputError, ManifestError
from fovea.manifest import Fix, Manifest, Row, apply_fixes, fixes_bytes, read_answers
from fovea.manifest import fixes as fixes_file

PHOTOS = Manifest(
    Path("/photos"),
    (Row("cat/1.jpg", "cat"), Row("dog/2.jpg", "dog"), Row("set.idx#3", None), Row("käfer 4.png", None)),
)


def answers(folder: Path, text: str, manifest: Manifest = PHOTOS) -> dict[str, str]:
    file = folder / "fixes.csv"
    file.write_text(text)
    return read_answers(file, manifest)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        answers(folder, text)
    return re.sub(r"'[^']*fixes\.csv'", "'fixes.csv'", str(caught.value))


def test_filled_labels_are_answers_and_empty_ones_are_none(tmp_path: Path) -> None:
    text = "path,label,suggested\ncat/1.jpg,dog,dog\ndog/2.jpg,,cat\nset.idx#3, cat ,\n"
    assert answers(tmp_path, text) == {"cat/1.jpg": "dog", "set.idx#3": "cat"}


def test_an_unknown_picture_without_a_label_says_nothing(tmp_path: Path) -> None:
    assert answers(tmp_path, "path,label\ngone.jpg,\n") == {}


def test_columns_of_other_names_and_order_are_fine(tmp_path: Path) -> None:
    assert answers(tmp_path, "score;Label;note;PATH\n0.1;dog;sure;cat/1.jpg\n") == {"cat/1.jpg": "dog"}


@pytest.mark.parametrize("path", ["/photos/cat/1.jpg", " cat/1.jpg ", "cat\\1.jpg"])
def test_other_spellings_of_a_path_are_understood(tmp_path: Path, path: str) -> None:
    assert answers(tmp_path, f"path,label\n{path},dog\n") == {"cat/1.jpg": "dog"}


def test_the_same_answer_twice_is_one(tmp_path: Path) -> None:
    assert answers(tmp_path, "path,label\ncat/1.jpg,dog\ncat/1.jpg,dog\n") == {"cat/1.jpg": "dog"}


def test_two_answers_for_one_picture_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "path,label\ncat/1.jpg,dog\ncat/1.jpg,cat\n") == (
        "1 row of 2 in 'fixes.csv' cannot be used: row 3: 'cat/1.jpg' has the label 'cat' here and 'dog' in row 2. "
        "Correct them, or empty their labels."
    )


def test_an_unknown_path_is_named_with_the_closest(tmp_path: Path) -> None:
    assert refused(tmp_path, "path,label\ncat/l.jpg,dog\nwolf/2.jpg,dog\n,dog\nzzz,dog\n") == (
        "4 rows of 4 in 'fixes.csv' cannot be used: row 2: there is no picture 'cat/l.jpg' among the 4 (did you mean "
        "'cat/1.jpg'?); row 3: there is no picture 'wolf/2.jpg' among the 4 (did you mean 'dog/2.jpg'?); row 4: the "
        "path is empty; row 5: there is no picture 'zzz' among the 4. Correct them, or empty their labels."
    )


def test_of_many_wrong_rows_five_are_named(tmp_path: Path) -> None:
    said = refused(tmp_path, "path,label\n" + ",dog\n" * 7)
    assert said.endswith("row 6: the path is empty; and 2 more. Correct them, or empty their labels.")


def test_a_near_path_is_sought_for_what_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: dict[str, int] = {}
    monkeypatch.setattr(
        fixes_file, "did_you_mean", lambda name, known: sought.update({name: len(known)}) or ""
    )
    many = Manifest(Path("/photos"), tuple(Row(f"cat/{k:05d}.jpg", "cat") for k in range(20_000)))
    with pytest.raises(ManifestError, match="and 95 more"):
        answers(tmp_path, "path,label\n" + "".join(f"gone/{k}.png,dog\n" for k in range(100)), many)
    assert [name for name, n in sought.items() if n] == [f"gone/{k}.png" for k in range(5)]
    assert max(sought.values()) <= 2_000


def test_a_row_with_too_many_cells_is_refused(tmp_path: Path) -> None:
    assert "row 2: it has 3 cells, the header 2" in refused(tmp_path, "path,label\ncat/1.jpg,dog,cat\n")


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    assert refused(tmp_path, "path,class\ncat/1.jpg,dog\n") == (
        "'fixes.csv' has no column 'label': its first line names 'path', 'class'. The header must have path and label; "
        "other columns may stand between and behind them."
    )


@given(
    st.dictionaries(
        st.sampled_from([row.path for row in PHOTOS.rows]), st.sampled_from(["", "cat", "käfer, rot"])
    )
)
def test_what_is_answered_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, str]
) -> None:
    lines = "".join(f'"{path}","{label}"\n' for path, label in given.items())
    found = answers(tmp_path_factory.mktemp("fixes"), "path,label\n" + lines)
    assert found == {path: label for path, label in given.items() if label}


def fixed(folder: Path, text: str, rows: tuple[Row, ...] = PHOTOS.rows) -> tuple[Manifest, tuple[Fix, ...]]:
    file = folder / "fixes.csv"
    file.write_text(text)
    return apply_fixes(Manifest(Path("/photos"), rows), file)


def test_fixes_change_labels_and_are_told(tmp_path: Path) -> None:
    manifest, fixes = fixed(tmp_path, "path,label\ncat/1.jpg,dog\ndog/2.jpg,dog\nset.idx#3,-\n")
    assert [row.label for row in manifest.rows] == ["dog", "dog", None, None]
    assert [row.problem for row in manifest.rows] == [
        "",
        "",
        "left out: fixes.csv says that it belongs to no class",
        "",
    ]
    assert fixes == (
        Fix("cat/1.jpg", "dog", "cat"),
        Fix("dog/2.jpg", "dog", "dog"),
        Fix("set.idx#3", "-", ""),
    )
    assert manifest.notes == (
        "fixes.csv applied: 1 label corrected (1 from 'cat' to 'dog'), 1 confirmed, 1 picture left out. The pictures and "
        "their folders are as they were.",
    )


def test_a_nearly_right_class_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fixed(tmp_path, "path,label\ncat/1.jpg,dgo\n")
    assert str(caught.value).endswith(
        "gives 'cat/1.jpg' the label 'dgo', which is no class (did you mean 'dog'?). Write a class as it is called, or '-' "
        "for a picture that belongs to none; a new class takes a name less like the others."
    )


def test_a_name_unlike_the_others_makes_a_new_class(tmp_path: Path) -> None:
    assert fixed(tmp_path, "path,label\ncat/1.jpg,zebra\n")[0].class_names == ("dog", "zebra")


def test_a_class_called_by_the_sign_is_a_class(tmp_path: Path) -> None:
    rows = (Row("cat/1.jpg", "cat"), Row("-/2.jpg", "-"))
    manifest, _ = fixed(tmp_path, "path,label\ncat/1.jpg,-\n-/2.jpg,-\n", rows)
    assert manifest.rows[0] == Row("cat/1.jpg", "-")
    assert manifest.notes[0].startswith(
        "fixes.csv applied: 1 label corrected (1 from 'cat' to '-'), 1 confirmed. "
    )


def test_a_slip_in_a_new_class_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    text = "path,label\ncat/1.jpg,zebar\ndog/2.jpg,zebra\nset.idx#3,zebra\n"
    with pytest.raises(InputError) as caught:
        fixed(tmp_path, text)
    assert "gives 'cat/1.jpg' the label 'zebar', which is no class (did you mean 'zebra'?)." in str(
        caught.value
    )


def test_new_classes_of_several_pictures_may_have_names_alike(tmp_path: Path) -> None:
    rows = tuple(Row(f"{k}.jpg", "cat") for k in range(5))
    text = "path,label\n0.jpg,zebra 1\n1.jpg,zebra 1\n2.jpg,zebra 2\n3.jpg,zebra 2\n"
    assert fixed(tmp_path, text, rows)[0].class_names == ("cat", "zebra 1", "zebra 2")


def test_an_empty_list_of_fixes_changes_nothing(tmp_path: Path) -> None:
    manifest, fixes = fixed(tmp_path, "path,label\ncat/1.jpg,\n")
    assert (manifest.rows, fixes) == (PHOTOS.rows, ())
    assert manifest.notes[0].startswith("fixes.csv applied: 0 labels corrected. ")


def test_written_fixes_are_read_again(tmp_path: Path) -> None:
    fixes = fixed(tmp_path, 'path,label\ncat/1.jpg,dog\n"käfer 4.png","käfer, rot"\n')[1]
    (tmp_path / "kept.csv").write_bytes(fixes_bytes(fixes))
    assert apply_fixes(PHOTOS, tmp_path / "kept.csv")[1] == fixes
