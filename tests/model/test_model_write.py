"""Writing a model folder: what is in it, and that it is whole or not there."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from colour_model import colour_encoder, colour_parts

from fovea.errors import ModelError, OutputError
from fovea.features import Encoder
from fovea.model import ModelParts, load_model, write, write_model


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folder_holds_what_the_format_names(saved: Path) -> None:
    assert names(saved) == [
        "backbone/backbone.json",
        "backbone/network.bin",
        "backbone/network.xml",
        "card.md",
        "golden/answers.json",
        "golden/discs.png",
        "golden/grey16.png",
        "golden/portrait.jpg",
        "head.safetensors",
        "manifest.csv",
        "metrics.json",
        "model.json",
    ]


def test_document_has_the_sum_of_every_file_but_itself_and_the_card(saved: Path) -> None:
    listed = json.loads((saved / "model.json").read_text())["sha256"]
    assert sorted(listed) == [name for name in names(saved) if name not in ("model.json", "card.md")]
    assert all(
        hashlib.sha256((saved / name).read_bytes()).hexdigest() == sha256 for name, sha256 in listed.items()
    )


def test_same_parts_give_the_same_bytes(saved: Path, parts: ModelParts, tmp_path: Path) -> None:
    write_model(tmp_path / "run", parts, extra={"metrics.json": b"{}\n", "manifest.csv": b"path\r\n"})
    assert {name: (tmp_path / "run" / name).read_bytes() for name in names(saved)} == {
        name: (saved / name).read_bytes() for name in names(saved)
    }


def test_permissions_are_those_of_any_new_folder(parts: ModelParts, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    write_model(tmp_path / "run", parts)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_folders_above_are_made(parts: ModelParts, tmp_path: Path) -> None:
    write_model(tmp_path / "a" / "b" / "run", parts)
    assert load_model(tmp_path / "a" / "b" / "run").class_names == ("blue", "green", "red")


def test_empty_folder_of_that_name_is_filled(parts: ModelParts, tmp_path: Path) -> None:
    write_model(tmp_path, parts)
    assert (tmp_path / "model.json").is_file()


@pytest.mark.parametrize("make", [lambda p: p.write_text("mine"), lambda p: p.symlink_to("nowhere")])
def test_what_is_there_is_never_overwritten(
    parts: ModelParts, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    target = tmp_path / "run"
    make(target)
    with pytest.raises(OutputError) as caught:
        write_model(target, parts)
    assert str(caught.value) == (
        f"There is something at {str(target)!r} already, and nothing is overwritten. Choose another name, or "
        "move it away."
    )


@pytest.mark.parametrize("name", ["model.json", "golden", "../x", "a/b"])
def test_extra_file_of_another_name_is_refused(parts: ModelParts, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be a plain name"):
        write_model(tmp_path / "run", parts, extra={name: b""})
    assert list(tmp_path.iterdir()) == []


def test_killed_at_any_step_it_leaves_a_whole_model_or_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("kill_write.py"), tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30  # files, folders, their syncing and the rename


@pytest.mark.parametrize("place", ["_write_file", "_sync_tree", "_sync_folder", "_hash_tree"])
def test_full_disk_at_any_stage_leaves_nothing(
    parts: ModelParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, place, fail)
    with pytest.raises(OutputError) as caught:
        write_model(tmp_path / "run", parts)
    assert str(caught.value) == (
        f"The model cannot be written to {str(tmp_path / 'run')!r} (No space left on device). Nothing was "
        "left there: make room or choose another folder, and run the same command again."
    )
    assert list(tmp_path.iterdir()) == []


def test_folder_without_permission_is_said(
    parts: ModelParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(write.tempfile, "mkdtemp", fail)
    with pytest.raises(
        OutputError, match=r"cannot be written to .* \(Permission denied\)\. Nothing was left there"
    ):
        write_model(tmp_path / "run", parts)


def test_two_writers_of_one_name_leave_one_whole_model(parts: ModelParts, tmp_path: Path) -> None:
    """The second is asked while the first has its files ready and is about to rename."""
    sync = write._sync_tree
    calls: list[Path] = []

    def write_meanwhile(root: Path) -> None:
        calls.append(root)
        if len(calls) == 1:
            write_model(tmp_path / "run", parts)
        sync(root)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutputError, match="Nothing was left there"):
        patch.setattr(write, "_sync_tree", write_meanwhile)
        write_model(tmp_path / "run", parts)
    assert load_model(tmp_path / "run").class_names == ("blue", "green", "red")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_network_that_is_saved_wrongly_is_never_a_model(
    parts: ModelParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = colour_parts(colour_encoder(tmp_path / "other"))
    monkeypatch.setattr(write, "load_encoder", lambda folder, *, precision, threads: _Darker(other.encoder))
    with pytest.raises(
        ModelError, match="The saved network answers differently from the one that was judged"
    ):
        write_model(tmp_path / "run", parts)
    assert not (tmp_path / "run").exists()


class _Darker:
    """An encoder whose pictures are half as bright."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.precision = "f32"

    def encode(self, pixels: object) -> object:
        return self._encoder.encode(pixels) / 2  # type: ignore[arg-type, operator]
