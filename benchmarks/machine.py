"""What a figure was measured on: to be kept beside it."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Return processor, its matrix units, cores, versions and commit."""
    text = Path("/proc/cpuinfo").read_text()
    name = next(
        (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), ""
    )
    flags = {flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if f" {flag}" in text}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "processor": name,
        "flags": " ".join(sorted(flags)),
        "cores": str(text.count("processor\t:")),
        "system": platform.platform(),
        "commit": commit.stdout.strip(),
        **{package: version(package) for package in ("openvino", "numpy", "pillow", "scipy")},
    }
