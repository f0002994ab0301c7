"""A manifest's own answers, and the fingerprint of its data."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fovea.manifest import Manifest, Row, fingerprint

ROWS = (
    Row("b/1.jpg", "dog", "train", sha256="22"),
    Row("a/1.jpg", "cat", "train", sha256="11"),
    Row("a/2.jpg", "cat", "valid", sha256="33"),
    Row("c/1.jpg", "fox", "train", problem="cut in half", sha256="44"),
    Row("x.jpg", None, sha256="55"),
)
MANIFEST = Manifest(Path("/photos"), ROWS, ("one",))


def test_class_names_are_sorted_and_of_usable_rows_only() -> None:
    assert MANIFEST.class_names == ("cat", "dog")


def test_class_counts_leave_out_quarantined_and_unlabelled_rows() -> None:
    assert MANIFEST.class_counts == {"cat": 2, "dog": 1}


def test_a_rows_file_lies_below_the_root() -> None:
    assert MANIFEST.file(ROWS[0]) == Path("/photos/b/1.jpg")


def test_other_rows_keep_root_and_notes() -> None:
    assert MANIFEST.with_rows(ROWS[:1], notes=["two"]) == Manifest(Path("/photos"), ROWS[:1], ("one", "two"))


@given(st.permutations(ROWS))
def test_the_fingerprint_does_not_depend_on_the_order(rows: list[Row]) -> None:
    assert fingerprint(Manifest(Path("/elsewhere"), tuple(rows))) == fingerprint(MANIFEST)


def test_the_fingerprint_does_not_depend_on_names_groups_or_quarantined_rows() -> None:
    moved = tuple(replace(row, path=f"new/{row.path}", group="g") for row in ROWS if not row.problem)
    assert fingerprint(MANIFEST.with_rows(moved)) == fingerprint(MANIFEST)


def test_the_fingerprint_tells_another_label_split_or_content() -> None:
    changed = [replace(ROWS[0], label="cat"), replace(ROWS[0], split="valid"), replace(ROWS[0], sha256="23")]
    prints = {fingerprint(MANIFEST.with_rows((row, *ROWS[1:]))) for row in (ROWS[0], *changed)}
    assert len(prints) == 4


def test_the_fingerprint_is_that_of_the_documented_text() -> None:
    import hashlib

    text = '[["11", "cat", "train"], ["22", "dog", "train"], ["33", "cat", "valid"], ["55", "", ""]]'
    assert fingerprint(MANIFEST) == hashlib.sha256(text.encode()).hexdigest()
