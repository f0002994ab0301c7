"""Checkpoints: whole or not there, refused where they are of another training, and a full disk loses nothing."""

import resource
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError, ModelError
from fovea.learn.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

ABOUT: dict[str, Any] = {"looping": {"seed": 0}, "pictures": "a", "optimisation": {"lr": None}}


def held(size: int = 3) -> Checkpoint:
    return Checkpoint({"w": torch.arange(float(size)), "n": torch.tensor(7)}, ABOUT, {"step": 5})


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert write_checkpoint(tmp_path / "new" / "c", held()) == ""
    found = read_checkpoint(tmp_path / "new" / "c", about=ABOUT)
    assert found is not None
    assert found.place == {"step": 5}
    assert torch.equal(found.tensors["w"], torch.arange(3.0))
    assert int(found.tensors["n"]) == 7


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "c", about=ABOUT) is None


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, held())
    with pytest.raises(InputError) as caught:
        read_checkpoint(path, about={"looping": {"seed": 1}, "pictures": "b", "optimisation": {"lr": 0.1}})
    assert str(caught.value) == (
        f"The checkpoint {str(path)!r} is of a training with other settings (lr was None and is 0.1, not the same pictures, "
        f"seed was 0 and is 1). Give the same settings to continue it, or delete {str(path)!r} to begin anew."
    )


def test_a_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, held())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        ModelError, match=r"The checkpoint .* cannot be read \(.*\): delete .* to begin anew\."
    ):
        read_checkpoint(path, about=ABOUT)


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    monkeypatch.setattr("fovea.learn.training.checkpoint.FORMAT", 2)
    write_checkpoint(path, held())
    monkeypatch.undo()
    with pytest.raises(ModelError, match="has format 2, and this fovea reads 1: delete"):
        read_checkpoint(path, about=ABOUT)


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, held())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        failure = write_checkpoint(path, held(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "File too large" in failure
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
    assert read_checkpoint(path, about=ABOUT) is not None
