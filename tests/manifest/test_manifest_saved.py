"""The manifest as a CSV file: back as it was, and refused when it is something else."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.errors import ManifestError, MissingInputError
from fovea.manifest import SPLITS, Manifest, Row, formula_notes, manifest_bytes, read_manifest

# Any text, and file names with bytes that are no UTF-8, as Python shows them.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.just("\udcff"))
NAME = TEXT.filter(bool)
SIDE = st.integers(0, 99999)
PSEUDO = st.just((0, 0.0)) | st.tuples(st.integers(1, 5), st.integers(0, 1000).map(lambda n: n / 1000))
ROWS = st.builds(
    lambda row, pseudo: replace(row, pseudo_round=pseudo[0], probability=pseudo[1]),
    st.builds(Row, NAME, st.none() | NAME, st.sampled_from(("", *SPLITS)), TEXT, TEXT, TEXT, SIDE, SIDE),
    PSEUDO,
)
HEADER = "path,sha256,label,split,group,problem,width,height"


@given(st.lists(ROWS, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("run") / "manifest.csv"
    path.write_bytes(manifest_bytes(Manifest(Path("/photos"), tuple(rows))))
    assert read_manifest(path, root=Path("/photos")) == Manifest(Path("/photos"), tuple(rows))


def test_a_spreadsheet_finds_utf8_with_its_mark_and_one_line_a_row() -> None:
    row = Row("käfer/1.jpg", "käfer", "train", "g", "", "ab", 8, 9)
    expected = f"\ufeff{HEADER}\r\nkäfer/1.jpg,ab,käfer,train,g,,8,9\r\n"
    assert manifest_bytes(Manifest(Path("/photos"), (row,))).decode() == expected


def test_the_root_is_not_in_the_file(tmp_path: Path) -> None:
    content = manifest_bytes(Manifest(Path("/home/anna/photos"), (Row("1.jpg", "cat"),)))
    assert b"anna" not in content
    (tmp_path / "m.csv").write_bytes(content)
    assert read_manifest(tmp_path / "m.csv").root == tmp_path


def test_names_that_look_like_formulas_stay_exact_and_are_said() -> None:
    manifest = Manifest(
        Path("/photos"), (Row("=1+1.jpg", "cat"), Row("-2.jpg", "@dog"), Row("cat/=3.jpg", "cat"))
    )
    assert formula_notes(manifest) == (
        "3 cells of manifest.csv begin with '=', '+', '-' or '@': they are exact names, which a spreadsheet may "
        "take for formulas; import these columns as text.",
    )
    text = io.StringIO(manifest_bytes(manifest).decode("utf-8-sig"), newline="")
    assert next(csv.DictReader(text))["path"] == "=1+1.jpg"


@pytest.mark.parametrize("label", ["cat", "-1", "+0,5", "-2.75"])
def test_ordinary_names_and_numbers_need_no_note(label: str) -> None:
    assert formula_notes(Manifest(Path("/photos"), (Row("1.jpg", label),))) == ()


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        read_manifest(tmp_path / "m.csv")
    assert (
        str(caught.value)
        == f"There is no manifest '{tmp_path}/m.csv'. Give the manifest.csv of a finished run."
    )


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == f"The manifest '{tmp_path}' cannot be read: Is a directory."


ASK = "Give the manifest.csv of a finished run, unchanged."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'m.csv' is not a manifest that fovea wrote: its first line is '', not '{HEADER}'. {ASK}"),
        (
            "path,label\n",
            f"'m.csv' is not a manifest that fovea wrote: its first line is 'path,label', not '{HEADER}'. "
            f"{ASK}",
        ),
        (f'{HEADER}\n"a', f"'m.csv' is not a manifest that fovea wrote: unexpected end of data. {ASK}"),
        (f"{HEADER}\na,b\n", f"Row 2 of 'm.csv' has 2 cells, not 8. {ASK}"),
        (f"{HEADER}\na,,,,,,1,1\na,,,left,,,1,1\n", f"Row 3 of 'm.csv' has the unknown split 'left'. {ASK}"),
        (
            f"{HEADER}\na,,,,,,x,1\n",
            f"Row 2 of 'm.csv' has the size 'x' x '1', which are no whole numbers. {ASK}",
        ),
    ],
)
def test_what_fovea_did_not_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(Path("m.csv"))
    assert str(caught.value) == message


def test_pseudo_labels_are_marked_with_their_round_and_probability() -> None:
    rows = (Row("1.jpg", "cat", "train"), Row("2.jpg", "dog", "train", pseudo_round=2, probability=0.75))
    lines = manifest_bytes(Manifest(Path("/photos"), rows)).decode("utf-8-sig").splitlines()
    assert lines == [
        f"{HEADER},pseudo_round,probability",
        "1.jpg,,cat,train,,,0,0,,",
        "2.jpg,,dog,train,,,0,0,2,0.750000",
    ]


def test_a_round_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text(f"{HEADER},pseudo_round,probability\n1.jpg,,cat,train,,,0,0,two,0.5\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(Path("m.csv"))
    assert str(caught.value) == (
        f"Row 2 of 'm.csv' has the pseudo_round 'two' and the probability '0.5', which are no numbers. {ASK}"
    )
