"""The index of a catalogue: rows and vectors together, whole after a crash, shared by processes."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest

from fovea.errors import StoreError
from fovea.features import index_folder
from fovea.features.index_folder import (
    CatalogueIndex,
    delete_index,
    list_indexes,
    open_folder,
    open_index,
    renew_index,
)
from fovea.features.index_folder import index_folder as folder_of
from fovea.features.index_rows import Entry, Made

MADE = Made("/photos", "net", "f32", "f" * 64, "default", 4)


def entry(name: str, content: str = "", *, label: str | None = "cat", split: str = "") -> Entry:
    return Entry(name, label, split, content or f"sha of {name}", 10, 20, 30)


def vectors(*numbers: float) -> np.ndarray:
    return np.array([[one] * 4 for one in numbers], np.float32)


@pytest.fixture
def index() -> Iterator[CatalogueIndex]:
    with open_index(MADE) as opened:
        yield opened


def held(index: CatalogueIndex) -> dict[str, float]:
    """Return path -> first number of its vector."""
    with index.reading():
        rows, slots = index.read_vectors(), index.slots().tolist()
        return {one.path: float(rows[slot, 0]) for slot, one in index.read(slots).items()}


def test_what_is_added_is_there_when_it_is_opened_again(index: CatalogueIndex) -> None:
    assert index.append([entry("a"), entry("b", label=None, split="train")], vectors(1, 2)) == 2
    with open_index(MADE) as again:
        assert held(again) == {"a": 1, "b": 2}
        assert again.entries()["b"] == entry("b", label=None, split="train")
        assert again.made == MADE


def test_names_that_are_no_utf8_come_back(index: CatalogueIndex) -> None:
    name = b"caf\xe9.jpg".decode(errors="surrogateescape")
    index.append([entry(name, label=name)], vectors(1))
    assert index.entries() == {name: entry(name, label=name)}
    assert index.slots({"label": name}).tolist() == [0]


def test_new_content_takes_the_place_of_the_old(index: CatalogueIndex) -> None:
    index.append([entry("a"), entry("b")], vectors(1, 2))
    assert index.append([entry("a", "other")], vectors(3)) == 0
    assert held(index) == {"a": 3, "b": 2}


def test_what_another_process_added_is_not_added_twice(index: CatalogueIndex) -> None:
    with open_index(MADE) as other:
        other.append([entry("a"), entry("b")], vectors(1, 2))
    assert index.append([entry("b"), entry("c")], vectors(2, 3)) == 1
    assert held(index) == {"a": 1, "b": 2, "c": 3}
    assert len(index.read_vectors()) == 3


def test_what_is_gone_is_taken_out_and_labels_follow(index: CatalogueIndex) -> None:
    index.append([entry("a"), entry("b")], vectors(1, 2))
    index.update([entry("b", label="dog", split="valid")], gone=["a"])
    assert held(index) == {"b": 2}
    assert index.entries() == {"b": entry("b", label="dog", split="valid")}


def test_rows_are_chosen_by_the_values_of_columns(index: CatalogueIndex) -> None:
    index.append([entry("a"), entry("b", label="dog"), entry("c", split="train")], vectors(1, 2, 3))
    assert index.slots({"label": "cat"}).tolist() == [0, 2]
    assert index.slots({"label": "cat", "split": "train"}).tolist() == [2]
    assert index.slots({"path": "' OR 1=1 --"}).tolist() == []
    assert index.values("label") == ["cat", "dog"]
    for ask in (lambda: index.slots({"1=1; --": "x"}), lambda: index.values("slot")):
        with pytest.raises(ValueError, match=r"^columns are path, label, split, sha256$"):
            ask()


def test_a_crash_while_vectors_are_written_leaves_what_was(
    index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.append([entry("a")], vectors(1))

    def crash(number: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(index_folder.os, "fsync", crash)
        index.append([entry("b")], vectors(2))
    assert held(index) == {"a": 1}
    index.append([entry("c")], vectors(3))
    assert held(index) == {"a": 1, "c": 3}


def test_vectors_of_the_gone_are_let_go_once_they_are_many(
    index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_folder, "_SLACK", 2)
    index.append([entry(str(n)) for n in range(9)], vectors(*range(9)))
    before = index.read_vectors()
    index.update([], gone=[str(n) for n in range(9) if n not in (3, 7, 8)])
    assert held(index) == {"3": 3, "7": 7, "8": 8}
    assert len(index.read_vectors()) == 3
    assert before[5, 0] == 5  # who was searching goes on
    assert [one.name for one in index.folder.glob("*.f32")] == [index.read_meta("vectors")]
    index.append([entry("new")], vectors(10))
    assert held(index) == {"3": 3, "7": 7, "8": 8, "new": 10}


def test_vectors_are_let_go_only_once_the_new_ones_are_committed(
    index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_folder, "_SLACK", 2)
    monkeypatch.setattr(index_folder, "BUSY_SECONDS", 0.05)
    index.append([entry(str(n)) for n in range(9)], vectors(*range(9)))
    gone = [str(n) for n in range(9) if n not in (3, 7, 8)]
    with open_index(MADE) as writer, index.reading():
        assert index.read_meta("n_slots") == 9  # from here on nobody else can commit
        with pytest.raises(StoreError, match=r"is being written by another process"):
            writer.update([], gone=gone)
        assert index.read_vectors()[5, 0] == 5
    assert held(index) == {str(n): n for n in range(9)}
    index.update([], gone=gone)
    assert held(index) == {"3": 3, "7": 7, "8": 8}
    assert [one.name for one in index.folder.glob("*.f32")] == [index.read_meta("vectors")]


def test_who_is_writing_an_index_that_begins_anew_goes_on(index: CatalogueIndex) -> None:
    index.append([entry("a"), entry("b")], vectors(1, 2))
    index.write_meta(graph={"file": "graph-1.usearch", "vectors": index.read_meta("vectors")})
    (index.folder / "graph-1.usearch").touch()
    renew_index(MADE)
    assert held(index) == {}
    index.append([entry("b"), entry("c")], vectors(2, 3))
    with open_index(MADE) as other:
        assert held(other) == {"b": 2, "c": 3}
        assert other.read_meta("graph") is None
    names = {one.name for one in index.folder.iterdir()}
    assert names == {"index-1.sqlite", index.read_meta("vectors")}


def test_who_is_writing_an_index_that_was_deleted_does_not_write_into_the_next(index: CatalogueIndex) -> None:
    index.append([entry("a")], vectors(1))
    delete_index(MADE)
    with open_index(MADE) as other:
        other.append([entry("b"), entry("c")], vectors(2, 3))
        with pytest.raises(StoreError):
            index.append([entry("d")], vectors(4))
        with pytest.raises(
            StoreError, match=r"was deleted by another process meanwhile; to make it again, give"
        ):
            index.update([], gone=["a"])
        assert held(other) == {"b": 2, "c": 3}


WRITER = """
import sys
import numpy as np
from fovea.features.index_folder import open_index
from fovea.features.index_rows import Entry, Made
first = int(sys.argv[1])
with open_index(Made("/photos", "net", "f32", "f" * 64, "default", 4)) as index:
    for n in range(first, first + 60):
        index.append([Entry(str(n), None, "", str(n))], np.full((1, 4), n, np.float32))
"""


def test_two_processes_at_once_lose_and_double_nothing() -> None:
    command = [sys.executable, "-c", WRITER]
    running = [subprocess.Popen([*command, first]) for first in ("0", "30")]
    assert [one.wait(300) for one in running] == [0, 0]
    with open_index(MADE) as index:
        assert held(index) == {str(n): n for n in range(90)}
        assert len(index.read_vectors()) == 90


def test_other_networks_and_spaces_have_indexes_of_their_own(index: CatalogueIndex) -> None:
    index.append([entry("a")], vectors(1))
    others = [replace(MADE, fingerprint="g" * 64), replace(MADE, space="stage x", width=2)]
    for made in others:
        with open_index(made) as other:
            assert held(other) == {}
    assert list_indexes("/photos") == [MADE]  # what was only begun is none
    for made in others:
        with open_index(made) as other:
            other.append([entry("b")], np.ones((1, made.width), np.float32))
    with open_index(replace(MADE, catalogue="/elsewhere")):
        assert sorted(list_indexes("/photos"), key=str) == sorted([MADE, *others], key=str)


def test_a_deleted_index_begins_anew(index: CatalogueIndex) -> None:
    index.append([entry("a")], vectors(1))
    index.close()
    delete_index(MADE)
    assert list_indexes("/photos") == []
    with open_index(MADE) as again:
        assert held(again) == {}


@pytest.mark.parametrize("size_bytes", [0, 31])
def test_a_file_of_vectors_that_was_cut_is_told(index: CatalogueIndex, size_bytes: int) -> None:
    index.append([entry("a"), entry("b")], vectors(1, 2))
    cut(index, size_bytes)
    with pytest.raises(
        StoreError, match=r"'vectors-\d+.f32' should hold 2 rows of 4 numbers .* Give --reindex"
    ):
        index.read_vectors()


def cut(index: CatalogueIndex, size_bytes: int) -> None:
    with (index.folder / index.read_meta("vectors")).open("r+b") as file:
        file.truncate(size_bytes)


def test_a_file_that_was_cut_is_not_written_on(index: CatalogueIndex) -> None:
    index.append([entry("a"), entry("b")], vectors(1, 2))
    cut(index, 31)
    for _ in range(2):  # and stays as it is
        with pytest.raises(
            StoreError, match=r"'vectors-\d+.f32' should hold 2 rows and was cut\. Give --reindex"
        ):
            index.append([entry("c")], vectors(3))
    renew_index(MADE)
    index.append([entry("c")], vectors(3))
    assert held(index) == {"c": 3}


def test_a_damaged_page_is_told(index: CatalogueIndex) -> None:
    index.append([entry(f"{n:050d}") for n in range(200)], vectors(*range(200)))
    index.close()
    file = folder_of(MADE) / "index-1.sqlite"
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(StoreError) as caught, open_index(MADE) as again:
        again.entries()
    assert str(caught.value) == (
        f"The index in {str(file.parent)!r} cannot be used: database disk image is malformed. Give --reindex to make it again "
        "from the stored features; your pictures and the store stay as they are."
    )
    assert list_indexes("/photos") == []
    renew_index(MADE)
    with open_index(MADE) as again:
        assert held(again) == {}


def test_what_says_nothing_against_an_index_is_no_reason_to_make_it_anew(
    index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_folder, "BUSY_SECONDS", 0.05)
    index.append([entry("a")], vectors(1))
    with open_index(MADE) as other, index._writing():
        for ask in (lambda: other.append([entry("b")], vectors(2)), lambda: renew_index(MADE)):
            with pytest.raises(StoreError) as caught:
                ask()
            assert str(caught.value) == (
                f"The index in {str(index.folder)!r} is being written by another process, which did not end within ten minutes. "
                "Wait until it is done, or end it; then give the same command again."
            )
    assert held(index) == {"a": 1}


@pytest.mark.parametrize(
    ("pragma", "told"),
    [
        ("query_only = 1", "attempt to write a readonly database. Get permission to write there, or set FOVEA_CACHE to a folder "
         "that can be written; then"),
        ("max_page_count = 1", "database or disk is full. Make room there; what is in it stays. Then"),
    ],
)  # fmt: skip
def test_an_index_that_cannot_be_written_says_what_to_do(
    index: CatalogueIndex, pragma: str, told: str
) -> None:
    index._connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(StoreError) as caught:
        index.append([entry("x" * 100_000)], vectors(1))
    assert str(caught.value) == (
        f"The index in {str(index.folder)!r} cannot be written: {told} give the same command again."
    )
    assert held(index) == {}


def test_a_full_disk_is_told_as_one(index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(index_folder.os, "fsync", fail)
    with pytest.raises(StoreError, match=r"cannot be written: No space left on device\. Make room there;"):
        index.append([entry("a")], vectors(1))


def test_one_damaged_page_of_many_is_told(index: CatalogueIndex) -> None:
    names = [f"{number:03}{'x' * 400}" for number in range(400)]
    index.append([entry(name) for name in names], vectors(*range(400)))
    index.close()
    file = folder_of(MADE) / "index-1.sqlite"
    n_pages = file.stat().st_size // 4096
    told = 0
    for page in range(n_pages // 2, n_pages):
        content = file.read_bytes()
        file.write_bytes(content[: page * 4096] + bytes(4096) + content[(page + 1) * 4096 :])
        with open_index(MADE) as again:
            for ask in (again.entries, again.slots, lambda: again.values("sha256")):
                try:
                    ask()
                except StoreError as error:
                    assert str(error).endswith("your pictures and the store stay as they are.")
                    told += 1
        file.write_bytes(content)
    assert told > n_pages // 2


def test_looking_for_an_index_makes_no_file(index: CatalogueIndex) -> None:
    index.append([entry("a")], vectors(1))
    foreign = index.folder.parent / "foreign"
    foreign.mkdir()
    assert list_indexes("/photos") == [MADE]
    with pytest.raises(StoreError, match=r"cannot be used: it was never finished\. Give --reindex"):
        open_folder(foreign)
    assert list(foreign.iterdir()) == []


def test_an_index_without_the_fit_is_read(index: CatalogueIndex) -> None:
    told = asdict(MADE)
    del told["fit"]
    index.write_meta(made=told)
    assert index.made == MADE


def test_a_file_that_is_no_index_is_told() -> None:
    folder_of(MADE).mkdir(parents=True)
    (folder_of(MADE) / "index-1.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"cannot be used: file is not a database\. Give --reindex"):
        open_index(MADE)
    renew_index(MADE)
    with open_index(MADE) as index:
        assert held(index) == {}
