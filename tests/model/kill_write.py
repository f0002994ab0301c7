"""Run by test_model_write.py in its own process: writes a model, killed one step later each time.

A step is any event of the file system that Python tells (open, mkdir, rename, chmod, remove) there. After
every kill the model must be absent or equal to one written without a kill. Prints the number of steps.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
from colour_model import SIDE_PX, colour_parts

from fovea.features import Preprocess, Stage
from fovea.model import ModelParts, write, write_model


class MeanColour:
    """The colour network in numpy: no engine, no threads, so that this process may fork."""

    name, fingerprint, engine, precision, licence = "colours", "0" * 64, "openvino", "f32", "CC0-1.0"
    stages, n_features, preprocess = (Stage("mean", 0, 4),), 4, Preprocess(SIDE_PX, SIDE_PX)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        scaled = pixels.astype(np.float32) / 255
        return np.hstack([scaled.mean(axis=(1, 2)), scaled.max(axis=(1, 2, 3))[:, None]])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in ("network.xml", "network.bin", "backbone.json"):
            (folder / name).write_text(name)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_killed_at(step: int, folder: Path, parts: ModelParts) -> bool:
    """Write in a fork that kills itself at `step`; return whether it lived."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    left = [step]

    def count(event: str, args: tuple[object, ...]) -> None:
        if event in ("open", "os.mkdir", "os.rename", "os.chmod", "os.remove") and str(folder.parent) in str(
            args[0]
        ):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    write_model(folder, parts, extra={"metrics.json": b"{}"})
    os._exit(0)


def main(root: Path) -> None:
    write.load_encoder = lambda folder, *, precision, threads: MeanColour()
    parts = colour_parts(MeanColour())
    write_model(root / "whole", parts, extra={"metrics.json": b"{}"})
    whole = tree(root / "whole")
    step = 0
    lived = False
    while not lived:
        step += 1
        lived = write_killed_at(step, root / "first", parts)
        if (root / "first").exists():
            assert tree(root / "first") == whole, f"half a model after step {step}"
            if not lived:
                (root / "first").rename(root / f"{step}")
    assert not list(root.glob(".first.*")), "leftovers of killed writes stay for ever"
    sys.stdout.write(f"{step}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
