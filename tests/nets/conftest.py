"""Weights files of small networks with random values; tests that need torch skip where it is missing."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def needs_torch() -> None:
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm")):
        pytest.skip("the extra 'torch' is not installed")


def card(**changes: Any) -> dict[str, Any]:
    preprocess = {"size": 64, "fit": "crop", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
    told = {
        "library": "timm",
        "architecture": "test_resnet",
        "kwargs": {"num_classes": 5},
        "preprocess": preprocess,
    }
    return {**told, "licence": "Apache-2.0", "source": "random", **changes}


@pytest.fixture
def write_metadata(tmp_path: Path) -> Callable[[dict[str, str] | None], Path]:
    """Return a function that writes a .safetensors file of one tensor with this metadata."""

    def write(metadata: dict[str, str] | None) -> Path:
        from safetensors.numpy import save_file

        file = tmp_path / "weights.safetensors"
        save_file({"some": np.zeros(3, np.float32)}, file, metadata=metadata)
        return file

    return write


@pytest.fixture
def write_weights(tmp_path: Path, needs_torch: None) -> Callable[..., Path]:
    """Return a function that writes random weights of a small network, with their card."""

    def write(*, architecture: str = "test_resnet", drop: tuple[str, ...] = (), **changes: Any) -> Path:
        import torch
        from safetensors.torch import save_file

        from fovea.nets import import_torchvision

        import_torchvision()
        import timm

        torch.manual_seed(0)
        network = timm.create_model(architecture, num_classes=5)
        tensors = {key: value for key, value in network.state_dict().items() if key not in drop}
        for key, value in tensors.items():  # batch statistics as after training, so that they matter
            if key.endswith("running_var"):
                value.uniform_(0.5, 2.0)
        file = tmp_path / "weights.safetensors"
        save_file(
            tensors,
            file,
            metadata={"backbone": json.dumps(card(**{"architecture": architecture, **changes}))},
        )
        return file

    return write


@pytest.fixture(scope="session")
def keras() -> Any:
    """Return keras as fovea imports it: on torch, with a home of its own."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "keras", "h5py")):
        pytest.skip("the extra 'keras' is not installed")
    from fovea.nets.keras_start import import_keras

    return import_keras()


@pytest.fixture
def write_tensors(tmp_path: Path, needs_torch: None) -> Callable[..., Path]:
    """Return a function that writes random tensors of one of timm's networks, without a word about it."""

    def write(architecture: str) -> Path:
        import torch

        from fovea.nets import import_torchvision

        import_torchvision()
        import timm

        torch.manual_seed(0)
        file = tmp_path / f"{architecture}.pth"
        torch.save(timm.create_model(architecture).state_dict(), file)
        return file

    return write
