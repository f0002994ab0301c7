"""The command line as `python -m fovea` runs it, inside the test's process."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fovea.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def fovea(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs a command and returns its exit status, stdout and stderr."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # --threads sets them
        monkeypatch.setenv(name, os.environ.get(name, "1"))

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["fovea", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        code = caught.value.code
        return Said(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return run


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return class folders of 2 x 8 drawn pictures: reddish and bluish ones."""
    for number in range(8):
        draw_picture(tmp_path / "photos" / "red" / f"{number}.png", colour=(200 + number, 30, 40))
        draw_picture(tmp_path / "photos" / "blue" / f"{number}.png", colour=(30, 40, 200 + number))
    return tmp_path / "photos"
