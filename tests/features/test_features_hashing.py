"""Hashes of files: right, in order, and not read twice."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fovea.errors import PictureError
from fovea.features import Hashed, Part, Store, hashing, open_store, read_hashes

OLD = time.time() - 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture
def hashed_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are read from now on."""
    names: list[str] = []
    real = hashing.file_sha256

    def note(file: Path) -> str:
        names.append(file.name)
        return real(file)

    monkeypatch.setattr(hashing, "file_sha256", note)
    return names


def write(file: Path, content: bytes, *, at: float = OLD) -> Path:
    file.write_bytes(content)
    os.utime(file, (at, at))
    return file


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_hashes_come_in_the_order_of_the_files(tmp_path: Path, store: Store) -> None:
    files = [write(tmp_path / f"{number}.jpg", b"%d" % number) for number in range(3000, 0, -1)]
    assert read_hashes(files, store) == [Hashed(sha256(file.read_bytes())) for file in files]


def test_without_a_store_files_are_hashed_too(tmp_path: Path) -> None:
    assert read_hashes([write(tmp_path / "a", b"a")], None) == [Hashed(sha256(b"a"))]


def test_a_part_is_hashed_by_its_content_and_not_read_twice(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path / "many", b"ab")
    read: list[int] = []

    def part(number: int, *, is_quick: bool = False) -> Part:
        return Part(file, number, lambda: read.append(number) or b"%d" % number, is_quick)  # type: ignore[func-returns-value]

    wanted = [Hashed(sha256(b"0")), Hashed(sha256(b"1"))]
    assert read_hashes([part(0), part(1)], store) == wanted
    assert read_hashes([part(1), part(0)], store) == wanted[::-1]
    assert sorted(read) == [0, 1]
    write(file, b"changed")
    assert read_hashes([part(0)], store) == wanted[:1]
    assert len(read) == 3


def test_a_quick_part_is_not_remembered(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path / "many", b"ab")
    quick = [Part(file, number, lambda: b"x", is_quick=True) for number in range(3)]
    assert read_hashes(quick, store) == [Hashed(sha256(b"x"))] * 3
    assert (
        store.hashes(
            [stamp for one in quick if (stamp := hashing._stamp(Part(one.file, one.number, one.read)))]
        )
        == {}
    )


def test_a_part_without_a_picture_has_a_problem(tmp_path: Path, store: Store) -> None:
    def empty() -> bytes:
        raise PictureError("the table's row holds no picture")

    file = write(tmp_path / "many", b"ab")
    assert read_hashes([Part(file, 0, empty)], store) == [Hashed("", "the table's row holds no picture")]


def test_a_file_that_cannot_be_read_has_a_problem(tmp_path: Path, store: Store) -> None:
    files = [tmp_path / "gone.jpg", tmp_path]
    assert read_hashes(files, store) == [
        Hashed("", "cannot be read: No such file or directory"),
        Hashed("", "cannot be read: Is a directory"),
    ]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, store: Store, hashed_files: list[str]) -> None:
    file = write(tmp_path / "a", b"a")
    read_hashes([file], store)
    assert read_hashes([file], store) == [Hashed(sha256(b"a"))]
    assert hashed_files == ["a"]


def test_a_file_of_another_time_is_read_again(tmp_path: Path, store: Store) -> None:
    read_hashes([write(tmp_path / "a", b"a")], store)
    assert read_hashes([write(tmp_path / "a", b"b", at=OLD + 5)], store) == [Hashed(sha256(b"b"))]


def test_a_replaced_file_is_read_again(tmp_path: Path, store: Store) -> None:
    read_hashes([write(tmp_path / "a", b"a")], store)
    write(tmp_path / "new", b"b").rename(tmp_path / "a")  # same path, size and time, another inode
    assert read_hashes([tmp_path / "a"], store) == [Hashed(sha256(b"b"))]


@pytest.mark.parametrize("age_seconds", [0.5, -3600], ids=["just written", "from the future"])
def test_a_file_that_may_still_change_is_not_remembered(
    tmp_path: Path, store: Store, hashed_files: list[str], age_seconds: float
) -> None:
    file = write(tmp_path / "a", b"a", at=time.time() - age_seconds)
    read_hashes([file], store)
    read_hashes([file], store)
    assert hashed_files == ["a", "a"]


def test_progress_ends_with_all(tmp_path: Path, store: Store) -> None:
    said: list[tuple[str, int, int]] = []
    read_hashes([write(tmp_path / "a", b"a")], store, progress=lambda *one: said.append(one))
    assert (said[0], said[-1]) == (("hash", 0, 1), ("hash", 1, 1))
