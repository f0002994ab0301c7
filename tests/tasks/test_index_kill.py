"""`fovea index` as processes of their own: one killed with SIGKILL in the middle, two at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.features import index_folder
from fovea.features.index_folder import open_folder
from fovea.tasks.index import index

PROGRAM = [sys.executable, str(Path(__file__).with_name("kill_index.py")), "index"]
N = 12


@pytest.fixture
def photos(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    """Return a folder of 2 x 6 drawn pictures that are old enough to be remembered."""
    for kind in ("stripes", "dots"):
        for number in range(N // 2):
            file = draw_class(tmp_path / "photos" / kind, kind, number)
            os.utime(file, (1_700_000_000, 1_700_000_000))
    return tmp_path / "photos"


def start(photos: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    command = [*PROGRAM, str(photos), *options, "--json", "--threads", "1"]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill(photos: Path, moment: str, *options: str) -> None:
    """Index, and be killed at a moment."""
    process = start(photos, *options, KILL_AT=moment)
    _, err = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, err


def held(folder: str | Path) -> dict[str, tuple[Any, ...]]:
    """Return path -> all that the index has of a picture, and its vector."""
    with open_folder(Path(folder)) as opened, opened.reading():
        rows, slots = opened.read_vectors(), opened.slots().tolist()
        found = opened.read(slots)
        assert opened.read_meta("n_pictures") == len(slots)
        return {one.path: (one, rows[slot].tobytes()) for slot, one in found.items()}


def alone(photos: Path, tmp_path: Path) -> dict[str, tuple[Any, ...]]:
    """Return what an index holds that nobody disturbed, in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(tmp_path / "alone"))
        return held(index(photos).folder)


@pytest.mark.parametrize(("moment", "n_before"), [("rows 2", 3), ("commit 2", 6)])
def test_a_killed_index_ends_as_one_left_alone(
    photos: Path, tmp_path: Path, moment: str, n_before: int
) -> None:
    kill(photos, moment)
    again = index(photos)
    assert (again.n_unchanged, again.n_new) == (n_before, N - n_before)
    assert held(again.folder) == alone(photos, tmp_path)


@pytest.mark.parametrize("moment", ["begin 1", "rows 1"])
def test_an_index_killed_while_it_lets_go_of_the_gone_ends_as_one_left_alone(
    photos: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(index(photos).folder)
    shutil.rmtree(photos / "dots")
    for number in range(2):
        (photos / "stripes" / f"stripes_{number:03d}.png").unlink()
    kill(photos, moment)
    assert len(held(folder)) == N  # as before
    monkeypatch.setattr(index_folder, "_SLACK", 2)
    assert index(photos).n_gone == 8
    assert held(folder) == alone(photos, tmp_path)
    assert len(list(folder.glob("vectors-*"))) == 1


def test_a_killed_reindex_ends_as_one_left_alone(photos: Path, tmp_path: Path) -> None:
    index(photos)
    kill(photos, "commit 2", "--reindex")
    again = index(photos)
    assert (again.n_unchanged, again.n_new) == (6, 6)
    assert held(again.folder) == alone(photos, tmp_path)


@pytest.mark.parametrize("options", [((), ()), (("--reindex",), ("--reindex",)), ((), ("--reindex",))])
@pytest.mark.parametrize("n_before", [0, 1])
def test_two_at_once_lose_and_double_nothing(
    photos: Path, tmp_path: Path, options: tuple[tuple[str, ...], ...], n_before: int
) -> None:
    expected = alone(photos, tmp_path)
    for _ in range(n_before):
        index(photos)
    for file in photos.rglob("*.png"):
        os.utime(file, (1_700_000_001, 1_700_000_001))  # what is there is looked at again
    (tmp_path / "meet").mkdir()
    running = [start(photos, *some, MEET=str(tmp_path / "meet")) for some in options]
    ended = [one.communicate(timeout=300) for one in running]
    assert [one.returncode for one in running] == [0, 0], ended
    told = [json.loads(out) for out, _ in ended]
    assert [one["n_pictures"] for one in told] == [N, N]
    found = held(told[0]["folder"])
    assert {path: row for path, (_, row) in found.items()} == {
        path: row for path, (_, row) in expected.items()
    }
    assert len(list(Path(told[0]["folder"]).glob("vectors-*"))) == 1
