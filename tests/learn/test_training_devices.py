"""Where training computes, and in which precision."""

import ctypes
import gc
import platform

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training.devices import Machine, computing, gpu_share


def test_weights_that_change_within_a_block_without_gradients_answer_as_they_are_now() -> None:
    network, x = torch.nn.Linear(1, 1, bias=False), torch.ones(1, 1)
    with torch.no_grad(), Machine("cpu", "bf16").autocast():
        answers = []
        for weight in (1.0, 2.0):
            network.weight.data.fill_(weight)
            answers.append(float(network(x)))
    assert answers == [1.0, 2.0]


@pytest.mark.parametrize(
    "error", [ImportError("no pynvml"), RuntimeError("no driver"), Exception("NVMLError_NotSupported")]
)
def test_a_gpu_whose_use_nothing_tells_has_none(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def asked() -> int:
        raise error

    monkeypatch.setattr("torch.cuda.utilization", asked)
    assert gpu_share("cuda") is None
    monkeypatch.setattr("torch.cuda.utilization", lambda: 87)
    assert gpu_share("cuda") == 0.87


def n_mapped() -> int:
    """Return how many blocks of memory malloc has from the system by themselves: mallinfo2(3)."""

    class Told(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", *"abcdef")]

    call = ctypes.CDLL(None).mallinfo2
    call.restype = Told
    return int(call().hblks)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 on"
)
def test_while_training_large_blocks_are_not_mapped_anew_and_afterwards_they_are_again() -> None:
    def mapped_by(n_bytes: int) -> int:
        before = n_mapped()
        held = torch.empty(n_bytes, dtype=torch.uint8)
        return n_mapped() - before if held is not None else 0

    large = 256 << 20  # more than glibc ever keeps by itself
    gc.collect()
    if mapped_by(large) != 1:
        pytest.skip("another allocator stands in malloc's place")
    with computing("cpu"):
        assert mapped_by(large) == 0
    assert mapped_by(large) == 1
