"""Scanning finds every file once, in one order, says what it passed over, and writes nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fovea.errors import InputError, MissingInputError
from fovea.pictures import scan_folder

NOBODY = 65534


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))


def found(root: Path) -> list[str]:
    return [file.relative for file in scan_folder(root).files]


@contextmanager
def without_root_rights() -> Iterator[None]:
    """Become nobody where the tests run as root, who may open everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_files_come_sorted_by_their_relative_paths(tmp_path: Path) -> None:
    put(tmp_path, "b/2.jpg", "a/z.jpg", "a/b/1.png", "top.gif", "a.jpg", "a/10", "ä/ü ,&.jpg")
    assert found(tmp_path) == ["a.jpg", "a/10", "a/b/1.png", "a/z.jpg", "b/2.jpg", "top.gif", "ä/ü ,&.jpg"]


def test_file_is_told_by_size_time_and_inode(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg")
    (file,) = scan_folder(tmp_path).files
    status = (tmp_path / "a/1.jpg").stat()
    assert file.path == tmp_path / "a/1.jpg"
    assert (file.size_bytes, file.mtime_ns, file.inode) == (7, status.st_mtime_ns, status.st_ino)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".ipynb_checkpoints", "hidden"),
        ("a/.git", "hidden"),
        ("__MACOSX", "system"),
        ("@eaDir", "system"),
        ("$RECYCLE.BIN", "system"),
        ("System Volume Information", "system"),
    ],
)
def test_hidden_and_system_folders_are_passed_over_and_said(tmp_path: Path, name: str, kind: str) -> None:
    put(tmp_path, f"{name}/1.jpg", "a/kept.jpg")
    scan = scan_folder(tmp_path)
    assert [file.relative for file in scan.files] == ["a/kept.jpg"]
    assert scan.ignored == ((name, f"a {kind} folder"),)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(".DS_Store", "hidden"), ("._1.jpg", "hidden"), ("Thumbs.db", "system"), ("DESKTOP.INI", "system")],
)
def test_hidden_and_system_files_are_passed_over_and_said(tmp_path: Path, name: str, kind: str) -> None:
    put(tmp_path, f"a/{name}", "a/kept.jpg")
    scan = scan_folder(tmp_path)
    assert [file.relative for file in scan.files] == ["a/kept.jpg"]
    assert scan.ignored == ((f"a/{name}", f"a {kind} file"),)


def test_hidden_folder_that_is_named_is_scanned(tmp_path: Path) -> None:
    put(tmp_path, ".photos/a/1.jpg")
    assert found(tmp_path / ".photos") == ["a/1.jpg"]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    put(tmp_path, "photos/a/1.jpg", "secret.jpg")
    (tmp_path / "photos/a/self").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/b").symlink_to("..")
    scan = scan_folder(tmp_path / "photos")
    assert [file.relative for file in scan.files] == ["a/1.jpg"]
    assert scan.ignored == (("a/self", "a link that leads back"), ("b", "a link that leads back"))


def test_folder_counts_once_at_its_own_place(tmp_path: Path) -> None:
    put(tmp_path, "z/1.jpg")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    scan = scan_folder(tmp_path)
    assert [file.relative for file in scan.files] == ["z/1.jpg"]
    assert scan.ignored == (("a", "a link to a folder that is already counted"),)


def test_linked_folders_and_files_from_elsewhere_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/1.jpg", "photos/b/2.jpg")
    (tmp_path / "photos/a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/b/3.jpg").symlink_to(tmp_path / "elsewhere/1.jpg")
    assert found(tmp_path / "photos") == ["a/1.jpg", "b/2.jpg", "b/3.jpg"]


def test_links_to_nothing_and_pipes_are_said(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.jpg")
    scan = scan_folder(tmp_path)
    assert scan.files == ()
    assert scan.ignored == (("gone.jpg", "a link to nothing"), ("pipe.jpg", "neither a file nor a folder"))


def test_folder_without_permission_is_said(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "closed/2.jpg")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "closed").chmod(0)
    try:
        with without_root_rights():
            scan = scan_folder(tmp_path)
            with pytest.raises(InputError) as refused:
                scan_folder(tmp_path / "closed")
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert [file.relative for file in scan.files] == ["a/1.jpg"]
    assert scan.ignored == (("closed", "a folder that cannot be opened: Permission denied"),)
    folder = str(tmp_path / "closed")
    assert (
        str(refused.value)
        == f"The folder {folder!r} cannot be opened (Permission denied). Check its permissions."
    )


def test_missing_folder_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "phtos"
    with pytest.raises(MissingInputError) as refused:
        scan_folder(folder)
    assert str(refused.value) == f"There is no folder {str(folder)!r}. Check its spelling."


def test_file_in_place_of_a_folder_is_said(draw_picture, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = draw_picture(tmp_path / "1.jpg")
    with pytest.raises(InputError) as refused:
        scan_folder(file)
    assert (
        str(refused.value)
        == f"{str(file)!r} is a file, not a folder. Give the folder that holds the pictures."
    )


def test_scanning_and_decoding_write_nothing(draw_picture, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from fovea.pictures import decode_to, thumbnail_jpeg

    for k in range(3):
        draw_picture(tmp_path / f"{k}.jpg", seed=k)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*.jpg")}
    for file in scan_folder(tmp_path).files:
        decode_to(file.path.read_bytes(), height_px=8, width_px=8)
        thumbnail_jpeg(file.path.read_bytes())
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.rglob("*")} == before
