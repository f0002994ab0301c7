"""The CPU engine, and the only file that imports openvino: reads, compiles and runs a network; converts one.

uint8 NHWC in, float32 (n, d) out; batches of 8 on one stream a core, so that an answer depends neither on
the other pictures of its batch nor on the number of cores. Importing this file imports nothing heavy.
"""

import contextlib
import hashlib
import shutil
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError, OutputError
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


def read_graph(file: Path) -> Any:
    """Return the network in an .xml or .onnx file, not compiled. Raises BackboneError."""
    with readable(file):
        return _import_openvino().Core().read_model(file)


@contextlib.contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn what the engine says of a network in `file` that it cannot use into a BackboneError."""
    try:
        yield
    except (RuntimeError, UnicodeDecodeError) as error:  # it hands on damaged names as they are
        raise BackboneError(
            f"The network in {str(file)!r} cannot be read: {_reason(error)}. Export it again, or take another."
        ) from error


def operations() -> Any:
    """Return the module that makes operations of a graph."""
    _import_openvino()
    from openvino import opset13

    return opset13


def fold_constants(graph: Any) -> None:
    """Compute what does not depend on the input, such as the shapes of biases."""
    _import_openvino()
    from openvino import passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(graph)


def write_graph(outputs: list[Any], inputs: list[Any], file: Path, *, name: str) -> None:
    """Write a graph as `file` (.xml) with its .bin beside it, its constants as they are. Raises OutputError."""
    _save(_import_openvino().Model(outputs, inputs, name), file)


def _save(model: Any, file: Path, *, half: bool = False) -> None:
    """Write a graph. Raises OutputError where that fails, as on a full disk."""
    try:
        _import_openvino().save_model(model, file, compress_to_fp16=half)
    except RuntimeError as error:
        free = shutil.disk_usage(file.parent).free
        raise OutputError(
            f"The network cannot be written as {str(file)!r} ({_reason(error)}); {free / 1e6:,.0f} MB are free there. Make room "
            "and give the same command again: what was trained or stored before is kept."
        ) from error


def write_columns(file: Path, other: Path, columns: Sequence[tuple[int, int]]) -> None:
    """Write the network in `file` again as `other`, giving these columns (from, to) only, side by side."""
    graph, ops = read_graph(file), operations()
    whole = graph.get_results()[0].input_value(0)
    parts = [
        ops.slice(whole, *(np.array([edge], np.int64) for edge in (start, stop, 1, 1)))
        for start, stop in columns
    ]
    write_graph([ops.concat(parts, 1)], graph.get_parameters(), other, name=graph.get_friendly_name())


def write_joined(files: Sequence[Path], other: Path, *, name: str) -> None:
    """Write networks that take the same pictures as one, `other`: computed side by side, their columns in this order.

    What several compute alike, such as the frozen part of networks that were tuned from one, is computed once.
    """
    graphs = [read_graph(file) for file in files]
    pixels = graphs[0].get_parameters()[0]
    for graph in graphs[1:]:
        for reader in graph.get_parameters()[0].output(0).get_target_inputs():
            reader.replace_source_output(pixels.output(0))
    _share_alike([node for graph in graphs for node in graph.get_ordered_ops()])
    answers = [graph.get_results()[0].input_value(0) for graph in graphs]
    for node in (node for graph in graphs for node in graph.get_ordered_ops()):
        for output in node.outputs():
            output.set_names(set())  # those of two networks may be the same
    write_graph([operations().concat(answers, 1)], [pixels], other, name=name)


_NEVER_ALIKE = {"Parameter", "Result", "If", "Loop", "TensorIterator", "RandomUniform"}


def _share_alike(nodes: Sequence[Any]) -> None:
    """Let what reads a node read an earlier one that computes the same; `nodes` come after what they read."""
    there: dict[object, Any] = {}
    for node in nodes:
        kind = node.get_type_name()
        if kind in _NEVER_ALIKE:
            continue
        sources = tuple(
            (one.get_source_output().get_node().get_name(), one.get_source_output().get_index())
            for one in node.inputs()
        )
        values = _values_of(node)
        key = (kind, repr(sorted(node.get_attributes().items())), sources) if values is None else values
        alike = there.setdefault(key, node)
        if alike is node:
            continue
        for output, same in zip(node.outputs(), alike.outputs(), strict=True):
            for reader in output.get_target_inputs():
                reader.replace_source_output(same)


def _values_of(node: Any) -> tuple[str, tuple[int, ...], bytes] | None:
    """Return type, shape and a hash of a constant's values, also of one that is held in half precision; else None."""
    kind = node.get_output_element_type(0).get_type_name() if node.get_output_size() else ""
    if node.get_type_name() == "Convert" and kind == "f32":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values = node.get_data()
    if kind == "f32":
        values = values.astype(np.float32)
    return kind, values.shape, hashlib.sha256(values.tobytes()).digest()


def compile_taps(graph: Any, tensors: Sequence[str]) -> Callable[[NDArray[Any]], list[NDArray[Any]]]:
    """Return what computes these tensors of a graph from its one input, in float32. Raises RuntimeError."""
    openvino = _import_openvino()
    outputs = outputs_by_name(graph)
    cut = openvino.Model([outputs[name] for name in tensors], graph.get_parameters(), "taps")
    compiled = openvino.Core().compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda planes: [np.array(one) for one in compiled([planes]).to_tuple()]


def outputs_by_name(graph: Any) -> dict[str, Any]:
    """Return every output of a graph by the names that its file gives it."""
    return {
        name: output
        for node in graph.get_ordered_ops()
        if node.get_type_name() != "Result"  # repeats its input's
        for output in node.outputs()
        for name in output.get_names()
    }


def read_constants(file: Path) -> list[NDArray[np.float32]]:
    """Return the weights and biases of a network in the order of computing: its floating constants with channels."""
    weights = []
    for node in read_graph(file).get_ordered_ops():
        if node.get_type_name() == "Constant" and node.get_element_type().is_real():
            values = np.array(node.get_data(), np.float32)
            if values.size > _MOST_CHANNELS_OF_PIXELS:
                weights.append(values)
    return weights


_MOST_CHANNELS_OF_PIXELS = 3  # mean and deviation are no weights


def _reason(error: Exception) -> str:
    """Return the end of what the engine says, on one line, without the places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [
        line for line in lines if not line.startswith(("Exception from", "Check '")) and ".cpp:" not in line
    ]
    return " ".join((said or lines)[-2:])[-300:].rstrip(". ")


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
            raise BackboneError(
                f"The network {str(self.file)!r} cannot be prepared for pictures of {self.height_px} x "
                f"{self.width_px} px: {_reason(error)}. Choose another size, or convert the weights again."
            ) from error
        self._check_precision(compiled)
        return compiled

    def _check_precision(self, compiled: Any) -> None:
        """Compare what was compiled with the wish: the engine changes one it cannot fulfil silently."""
        got = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if got != self.precision:
            raise BackboneError(
                f"The engine computes in {got!r} where {self.precision!r} was asked for, on this processor. "
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

    `half` stores the weights as float16 (half the size; computing stays as asked when opened). Raises OutputError; what
    cannot be converted fails in torch's and the engine's many ways.
    """
    openvino = _import_openvino()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python branch it takes
        model = openvino.convert_model(network, example_input=example)
    _save(model, file, half=half)
