"""What the frozen part keeps to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.learn.finetune import frozen
from fovea.learn.finetune.ready import learning
from fovea.learn.training.devices import threads_at_most
from fovea.nets.blocks import find_blocks
from fovea.nets.cut import find_cut
from fovea.nets.stages import Place
from fovea.nets.trainable import Trainable, add_head
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import build_network


def test_a_class_token_below_the_cut_learns_nothing_meanwhile() -> None:
    kwargs = {"img_size": 64, "depth": 3, "embed_dim": 48, "num_heads": 3}
    card = WeightsCard("timm", "vit_tiny_patch16_224", 64, (0.5,) * 3, (0.5,) * 3, kwargs=kwargs)
    network = build_network(card)
    blocks = find_blocks(network, size_px=64)
    trainable = Trainable(network, card, "head", blocks, (Place("blocks.2", "mean"),))
    headed, _ = add_head(trainable, class_names=("a", "b"))
    cut = find_cut(headed, "blocks.2", size_px=(64, 64))
    assert cut is not None
    rows = np.random.default_rng(0).normal(size=(2, cut.n_crossing + sum(cut.widths))).astype(np.float16)
    with learning(headed, cut, card=card, rows=rows, size_px=(64, 64)) as one:
        learns = [weight for weight in one.network.parameters() if weight.requires_grad]
        one.network(one.planes(rows)).square().sum().backward()
        assert len(learns) > 10
        assert all(weight.grad is not None for weight in learns)
        assert not network.cls_token.requires_grad
    assert network.cls_token.requires_grad


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
