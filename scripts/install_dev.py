"""Put what development needs into the running environment: pyproject.toml's dev group, and torch for CPUs.

torch from the ordinary index brings some 3 GB of CUDA on Linux, so `+cpu` is asked for by name: from where
pip is set up to look, else from PyTorch's own index. torchvision and timm come without what they ask for,
since they would replace torch; what timm really needs is named here.
"""

import platform
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WITH_TORCH = ["torchvision", "timm"]
ON_TORCH = ["keras"]  # asks for no engine by itself, so it comes with all that it needs
FOR_TIMM = ["pyyaml", "huggingface_hub"]


def main() -> None:
    development = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    if not pip("install", *development, *FOR_TIMM, "hatchling", "editables"):
        sys.exit("The development packages could not be installed; pip says why above.")
    install_torch()
    if not pip("install", "--no-deps", *WITH_TORCH):
        sys.exit("torchvision and timm could not be installed; pip says why above.")
    if not pip("install", *ON_TORCH):
        sys.exit("keras could not be installed; pip says why above.")


def install_torch() -> None:
    wanted = pinned("torch") + ("+cpu" if platform.system() == "Linux" else "")
    try:
        if version("torch") == wanted:
            return
    except PackageNotFoundError:
        pass
    requirement = f"torch=={wanted}"
    if not pip("install", requirement) and not pip("install", requirement, "--extra-index-url", CPU_INDEX):
        sys.exit(f"{requirement} was found neither where pip looks nor at {CPU_INDEX}; pip says why above.")


def pinned(name: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def pip(*arguments: str) -> bool:
    """Run pip under the constraints; tell whether it succeeded."""
    command = [
        sys.executable,
        "-m",
        "pip",
        *arguments,
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
    ]
    return subprocess.run(command, check=False, cwd=ROOT).returncode == 0


if __name__ == "__main__":
    main()
