"""Running a pooled network in torch: on the processor, on CUDA or on Apple's GPU; channels last, bf16 where asked.

uint8 (n, h, w, 3) in, float32 (n, d) out. Batches are filled up to one size, so that an answer does not depend on how
many pictures come with it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError

if TYPE_CHECKING:
    import torch

CPU_BATCH, GPU_BATCH = 8, 64


def choose_device(wish: str = "auto") -> str:
    """Return "cuda", "mps" or "cpu": the wish, or the first of them that this computer has. Raises BackboneError."""
    import torch

    is_here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    here = [device for device, found in is_here.items() if found]
    if wish != "auto" and wish not in here:
        raise BackboneError(f"Torch has no device {wish!r} on this computer. There are: {', '.join(here)}.")
    return here[0] if wish == "auto" else wish


def has_bf16(device: str) -> bool:
    """Return whether torch's GPU "cuda" or "mps" multiplies bf16 in hardware; of "cpu" the processor's flags tell."""
    import torch

    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


class TorchRunner:
    """A pooled network on a device, ready to run; it changes the network's memory order and precision in place."""

    def __init__(self, pooled: "torch.nn.Module", *, device: str, precision: str, threads: int) -> None:
        import torch

        network = cast("Any", pooled).network
        network.to(memory_format=torch.channels_last)
        if precision == "bf16":
            network.to(torch.bfloat16)
        self.pooled = pooled.to(device).eval()
        self.device = device
        self.precision = precision
        self.threads = threads
        self.batch_size = CPU_BATCH if device == "cpu" else GPU_BATCH

    def run_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the features of each batch in order; a GPU computes the next while one is handed out."""
        busy: deque[tuple[torch.Tensor, int]] = deque()
        for pixels in batches:
            busy.append((self._start(pixels), len(pixels)))
            if self.device == "cpu" or len(busy) > 1:
                yield _finish(*busy.popleft())
        while busy:
            yield _finish(*busy.popleft())

    def _start(self, pixels: NDArray[np.uint8]) -> "torch.Tensor":
        import torch

        if not 0 < len(pixels) <= self.batch_size:
            raise ValueError(f"expected 1 to {self.batch_size} pictures, got {len(pixels)}")
        whole = np.zeros((self.batch_size, *pixels.shape[1:]), np.uint8)
        whole[: len(pixels)] = pixels
        if self.device == "cpu" and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        # Without TF32, which moves features by 1e-3: what is called f32 is float32 on every device.
        exact: Any = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            features: torch.Tensor = self.pooled(torch.from_numpy(whole).to(self.device))
        return features


def _finish(features: "torch.Tensor", n: int) -> NDArray[np.float32]:
    return np.array(features[:n].cpu().numpy(), np.float32)
