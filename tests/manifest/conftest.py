"""Folders of files whose content does not matter: sources are read by names and places alone."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that makes files by their relative paths in a folder `photos`, and stand beside it.

    A name that ends in "/" makes an empty folder. The folder is returned as a relative path, as a user types
    it.
    """
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> Path:
        root = Path("photos")
        root.mkdir(exist_ok=True)
        for name in names:
            place = root / name
            if name.endswith("/"):
                place.mkdir(parents=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"content of " + name.encode())
        return root

    return make


@pytest.fixture
def write_table(plant: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a table into `photos`, beside the pictures a.jpg to d.jpg."""

    def write(text: str | bytes, *, name: str = "labels.csv") -> Path:
        root = plant("a.jpg", "b.jpg", "c.jpg", "d.jpg")
        content = text if isinstance(text, bytes) else text.encode()
        (root / name).write_bytes(content)
        return root / name

    return write


@pytest.fixture
def write_idx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes an IDX file into a folder `set`; gzipped where the name says so.

    `shape` is that of the header, `content` what follows; the folder is relative, as a user types it.
    """
    monkeypatch.chdir(tmp_path)

    def write(name: str, shape: tuple[int, ...], content: bytes, *, magic: bytes = b"") -> Path:
        file = Path("set") / name
        file.parent.mkdir(exist_ok=True)
        head = magic or bytes([0, 0, 8, len(shape)])
        whole = head + b"".join(n.to_bytes(4, "big") for n in shape) + content
        file.write_bytes(gzip.compress(whole, mtime=0) if name.endswith(".gz") else whole)
        return file

    return write
