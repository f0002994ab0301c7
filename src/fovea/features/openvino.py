"""The CPU engine, and the only file that imports openvino: reads, compiles and runs a network; converts one.

uint8 NHWC in, float32 (n, d) out; batches of 8 on one stream a core, so that an answer depends neither on
the other pictures of its batch nor on the number of cores. Importing this file imports nothing heavy.
"""

import sys
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.errors import BackboneError
from fovea.features.encoder import Features, Pixels

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork, TorchTensor

BATCH_SIZE = 8  # measured best on AVX-512 with and without AMX: architecture.md


def _import_openvino() -> Any:
    """Import openvino without its telemetry: unasked, that writes into the home, forks and calls a host."""
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def engine_version() -> str:
    """Return openvino's version."""
    return str(_import_openvino().__version__)


class CompiledNetwork:
    """A network of the runtime's form, compiled at first use for one picture size and precision."""

    def __init__(self, file: Path, *, height_px: int, width_px: int, precision: str, threads: int) -> None:
        self.file = file
        self.height_px = height_px
        self.width_px = width_px
        self.precision = precision
        self.threads = threads
        self._compiled: Any = None
        self._lock = threading.Lock()

    def run_batches(self, batches: Iterable[Pixels]) -> Iterator[Features]:
        """Yield the features of each batch of at most 8 pictures, in order; the next compute meanwhile."""
        compiled = self._compile()
        idle: list[Any] = []
        busy: deque[tuple[Any, Pixels, int]] = (
            deque()
        )  # the pixels must live as long as the engine reads them
        try:
            for pixels in batches:
                if len(busy) == 2 * self.threads:  # one running and one waiting on every stream
                    yield _finish(busy, idle)
                request = idle.pop() if idle else compiled.create_infer_request()
                busy.append(self._start(request, pixels))
            while busy:
                yield _finish(busy, idle)
        finally:
            for request, _, _ in busy:
                request.wait()

    def _start(self, request: Any, pixels: Pixels) -> tuple[Any, Pixels, int]:
        n, shape = len(pixels), (self.height_px, self.width_px, 3)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape or not 0 < n <= BATCH_SIZE:
            raise ValueError(
                f"expected uint8 (1 to {BATCH_SIZE}, *{shape}), got {pixels.dtype} {pixels.shape}"
            )
        if n < BATCH_SIZE or not pixels.flags.carray:  # the engine takes whole, writable batches only
            padded = np.zeros((BATCH_SIZE, *shape), np.uint8)
            padded[:n] = pixels
            pixels = padded
        request.set_input_tensor(_import_openvino().Tensor(pixels, shared_memory=True))
        request.start_async()
        return request, pixels, n

    def _compile(self) -> Any:
        with self._lock:
            if self._compiled is None:
                self._compiled = self._read_and_compile()
            return self._compiled

    def _read_and_compile(self) -> Any:
        openvino = _import_openvino()
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "NUM_STREAMS": self.threads,
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,  # decoding threads share the cores
        }
        try:
            model = core.read_model(self.file)
            model.reshape([BATCH_SIZE, self.height_px, self.width_px, 3])
            compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-300:]
            raise BackboneError(
                f"the network {str(self.file)!r} cannot be prepared for pictures of {self.height_px} x "
                f"{self.width_px} px: {reason}. Choose another size, or convert the weights again."
            ) from error
        self._check_precision(compiled)
        return compiled

    def _check_precision(self, compiled: Any) -> None:
        """Compare what was compiled with the wish: the engine changes one it cannot fulfil silently."""
        got = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if got != self.precision:
            raise BackboneError(
                f"the engine computes in {got!r} where {self.precision!r} was asked for, on this processor. "
                f"Ask for precision {got!r}."
            )


def _finish(busy: deque[tuple[Any, Pixels, int]], idle: list[Any]) -> Features:
    request, _, n = busy[0]
    request.wait()
    busy.popleft()
    features = np.array(request.get_output_tensor(0).data[:n], dtype=np.float32)
    idle.append(request)
    return features


def convert_network(
    network: "TorchNetwork", file: Path, *, example: "TorchTensor", half: bool = False
) -> None:
    """Write a torch network as `file` (.xml) with its .bin beside it, open in batch, height and width.

    `half` stores the weights as float16 (half the size; computing stays as asked when opened).
    """
    openvino = _import_openvino()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python branch it takes
        model = openvino.convert_model(network, example_input=example)
    openvino.save_model(model, file, compress_to_fp16=half)
