"""What a user names is written whole, never over another file, and refused before the work."""

import errno
import os
import resource
from pathlib import Path

import pytest

from fovea.errors import OutputError
from fovea.tasks.written import require_free, write_whole


def test_a_file_is_written_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "list.csv"
    require_free(target, option="--csv")
    write_whole(target, b"path,label\r\n", option="--csv")
    assert target.read_bytes() == b"path,label\r\n"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_there_is_refused_before_the_work(tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    target.write_text("mine")
    with pytest.raises(OutputError) as refused:
        require_free(target, option="--csv")
    assert (
        str(refused.value) == f"There is something at {str(target)!r} already. Choose another name for --csv."
    )


def test_what_came_meanwhile_is_never_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    require_free(target, option="--html")
    target.write_text("mine")
    with pytest.raises(OutputError) as refused:
        write_whole(target, b"ours", option="--html")
    assert str(refused.value) == (
        f"Something came to {str(target)!r} meanwhile. Choose another name for --html; the features are stored, so the "
        "same command takes seconds."
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_said_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "page.html"
    with pytest.raises(OutputError) as refused:
        require_free(target, option="--html")
    assert str(refused.value) == (
        f"{str(target)!r} cannot be written: File exists. Make room or get permission, or choose another name for --html; "
        "features that were computed are stored, so the same command takes seconds."
    )


def test_none_is_always_free() -> None:
    require_free(None, option="--csv")


def test_a_file_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutputError) as refused:
            write_whole(target, b"x" * 100_000, option="--html")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(refused.value).startswith(f"{str(target)!r} cannot be written: File too large.")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def drive_without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse hard links as exFAT does."""

    def refuse(*given: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("drive_without_links")
def test_a_drive_without_hard_links_will_do(tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    write_whole(target, b"path,label\r\n", option="--csv")
    assert target.read_bytes() == b"path,label\r\n"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("drive_without_links")
def test_a_failure_there_leaves_nothing_behind_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="Input/output error"):
        write_whole(tmp_path / "list.csv", b"ours", option="--csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("drive_without_links")
def test_nothing_is_overwritten_there_either(tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    target.write_text("mine")
    with pytest.raises(OutputError, match=r"^Something came to "):
        write_whole(target, b"ours", option="--csv")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
