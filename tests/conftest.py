"""What every test stands on: no network, its own home and cache, the shared real pictures, drawn ones."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]


class _LocalSocket(socket.socket):
    """A socket that must not speak to the internet (AF_UNIX pairs, as asyncio makes them, are fine)."""

    def __init__(self, family: int = -1, *args: object, **named: object) -> None:
        if family in (-1, socket.AF_INET, socket.AF_INET6):
            pytest.fail("a test opened an internet socket")
        super().__init__(family, *args, **named)  # type: ignore[arg-type]


def _look_up(host: object, *args: object, **named: object) -> None:
    pytest.fail(f"a test looked up the internet host {host!r}")


@pytest.fixture(autouse=True)
def _no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", _LocalSocket)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, _look_up)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give the test (and its children) an empty home and its own cache; nothing depends on the user's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("FOVEA_CACHE", str(home / "fovea-cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if "huggingface_hub.constants" in sys.modules:  # which has read the line above long ago
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "PYTHONWARNINGS", "FOVEA_CONFIG", "FOVEA_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared real data beside the repository; skip the test where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared data is not beside this repository")
    return folder


@pytest.fixture(scope="session")
def draw_pixels() -> Callable[..., NDArray[np.uint8]]:
    """Return a function that draws uint8 (h, w, 3): a plain colour, or a seeded scene of soft blobs."""

    def draw(
        *, colour: tuple[int, int, int] | None = None, seed: int = 0, size_px: tuple[int, int] = (48, 32)
    ) -> NDArray[np.uint8]:
        width, height = size_px
        if colour is not None:
            return np.full((height, width, 3), colour, np.uint8)
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:height, 0:width]
        scene = np.full((height, width, 3), rng.uniform(40, 215, 3))
        for _ in range(4):
            far = ((x / width - rng.uniform()) ** 2 + (y / height - rng.uniform()) ** 2) * rng.uniform(8, 40)
            scene += np.exp(-far)[..., None] * rng.uniform(-150, 150, 3)
        return scene.clip(0, 255).round().astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def draw_picture(draw_pixels: Callable[..., NDArray[np.uint8]]) -> Callable[..., Path]:
    """Return a function that draws a picture file and returns its path; the extension gives the format."""

    def draw(
        path: Path,
        *,
        colour: tuple[int, int, int] | None = None,
        seed: int = 0,
        size_px: tuple[int, int] = (48, 32),
    ) -> Path:
        from PIL import Image

        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_pixels(colour=colour, seed=seed, size_px=size_px)).save(path)
        return path

    return draw
