"""What the frozen part keeps to."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.finetune import frozen
from fovea.learn.training.devices import threads_at_most


def test_it_computes_with_the_threads_that_torch_keeps_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(frozen, "available_cores", lambda: 8)
    monkeypatch.setattr(frozen, "convert_network", lambda *_, **__: None)
    monkeypatch.setattr(frozen, "CompiledNetwork", lambda *_, **named: told.append(named["threads"]))
    with threads_at_most(1):
        frozen.Frozen(torch.nn.Identity(), size_px=(8, 8), folder=tmp_path)
    assert told == [1]
