"""What the network of a run has learned from: of pictures whose labels it has seen, its features cannot judge these labels.

A probe leaves its network as it was; fine-tuning, training from scratch, distilling and averaging do not.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from fovea.features.runs import is_run
from fovea.manifest import read_manifest
from fovea.tasks.train.method import PROBE

TAUGHT = "taught.txt"
"""Beside a model: the SHA-256 of pictures whose labels the network knew before this run, one a line."""


def taught_by(network: str | Path | None) -> frozenset[str]:
    """Return the SHA-256 of the pictures whose labels a network was trained on, where it is named by the folder of a run.

    Those of the run, unless it kept the probe, and those that it says its network knew before. Empty for every other network,
    and where the run's metrics.json is gone.

    Raises:
        InputError: a network was trained, and the run's manifest.csv is gone or was changed.
    """
    if network is None or not is_run(folder := Path(network)):
        return frozenset()
    before = _before(folder)
    if _read(folder / "metrics.json").get("training", {}).get("kept", PROBE) == PROBE:
        return before
    rows = read_manifest(folder / "manifest.csv").rows
    return before | {row.sha256 for row in rows if row.split == "train" and row.sha256 and not row.problem}


def taught_file(*networks: str | Path | None) -> dict[str, bytes]:
    """Return the file, by its name, that a run on these networks keeps of what they know; none where they know nothing."""
    known = frozenset[str]().union(*map(taught_by, networks))
    return {TAUGHT: "".join(f"{one}\n" for one in sorted(known)).encode()} if known else {}


def _before(folder: Path) -> frozenset[str]:
    """Return what the network of a run knew before: by its own file, or by the run that it names."""
    with suppress(OSError, UnicodeDecodeError):
        return frozenset((folder / TAUGHT).read_text().split())
    settings = _read(folder / "model.json").get("settings") or {}
    return taught_by((settings.get("backbone") or {}).get("backbone"))


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(file.read_bytes())
        return content if isinstance(content, dict) else {}
    return {}
