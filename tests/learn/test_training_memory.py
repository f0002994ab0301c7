"""The forecast of memory by hand, and batches that do not fit."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from training_parts import settings, tiny_network, weights_of

from fovea.errors import InputError
from fovea.learn.training import Memory, forecast_memory, free_bytes, require_memory

GIB = 2**30


def test_what_two_layers_keep_is_counted_to_the_byte() -> None:
    network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    memory = forecast_memory(network, torch.zeros(1, 10), settings=settings(optimizer="adamw"))
    weights = (10 * 20 + 20 + 20 * 5 + 5) * 4
    assert memory.fixed_bytes == weights * 5  # weights, gradients, two moments, the best so far
    kept = (10 + 20) * 4  # both layers' inputs; the ReLU keeps its answer, which is the second one's input
    assert memory.picture_bytes == round(kept * 1.5) + 10 * 4


def test_what_is_frozen_keeps_nothing() -> None:
    network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    network[0].requires_grad_(False)
    memory = forecast_memory(network, torch.zeros(1, 10), settings=settings(optimizer="sgd"))
    assert memory.fixed_bytes == (220 + 105) * 4 + 105 * 4 * 2
    assert memory.picture_bytes == round(20 * 4 * 1.5) + 10 * 4


def test_what_torch_keeps_of_a_gpu_is_free_for_what_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (3 * GIB, 8 * GIB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda: 4 * GIB)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda: GIB)
    assert free_bytes("cuda") == 6 * GIB


def test_the_network_stays_as_it_was() -> None:
    network = tiny_network(dropout=0.5).eval()
    before, draws = weights_of(network), torch.get_rng_state()
    forecast_memory(network, torch.ones(1, 3, 8, 8), settings=settings())
    assert not network.training
    assert torch.equal(torch.get_rng_state(), draws)
    for name, values in weights_of(network).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does() -> None:
    memory = Memory(fixed_bytes=GIB, picture_bytes=GIB // 100)
    with pytest.raises(InputError) as caught:
        require_memory(memory, batch_size=1024, free=4 * GIB)
    assert str(caught.value) == (
        "A batch of 1,024 pictures would need 12.1 GB of memory, and 4.3 GB are free. Use --batch-size 260 or less."
    )
    require_memory(memory, batch_size=260, free=4 * GIB)


def test_a_network_that_does_not_fit_is_told() -> None:
    with pytest.raises(
        InputError, match=r"not even one picture fits\. Choose a smaller network or smaller pictures"
    ):
        require_memory(Memory(GIB, 1), batch_size=1, free=GIB)


def test_where_nothing_is_known_nothing_is_refused() -> None:
    require_memory(Memory(GIB, GIB), batch_size=100, free=None)


def fake_root(root: Path, *, limit: str) -> Path:
    for name, text in (
        ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    2048 kB\n"),
        ("sys/fs/cgroup/memory.max", limit),
        ("sys/fs/cgroup/memory.current", "1500"),
        ("sys/fs/cgroup/memory.stat", "anon 900\ninactive_file 200\nactive_file 300\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("limit", "free"), [("max\n", 2048 * 1024), ("5000\n", 4000), ("500\n", 0)])
def test_free_memory_is_the_computers_within_the_containers(tmp_path: Path, limit: str, free: int) -> None:
    assert free_bytes(root=fake_root(tmp_path, limit=limit)) == free


def test_a_computer_that_tells_nothing_has_unknown_memory(tmp_path: Path) -> None:
    assert free_bytes(root=tmp_path) is None
