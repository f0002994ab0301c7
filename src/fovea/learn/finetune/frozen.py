"""What is frozen, computed once: the values of every picture and of augmented views of it where the network is cut.

On the CPU engine, which is several times as fast as torch; kept as float16, in memory or in a file under the workspace.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fovea import nets
from fovea.features import available_cores, has_native_bf16
from fovea.features.openvino import BATCH_SIZE, CompiledNetwork, convert_network
from fovea.learn.arrays import make_array
from fovea.learn.augment import Augmentation
from fovea.learn.training.batches import Batch
from fovea.learn.training.processes import Processes
from fovea.learn.training.seeds import seed_of
from fovea.nets.cut import Below
from fovea.progress import Progress, silent

Values = NDArray[np.float16]
"""(n, views, d): what crosses the cut, then the pooled places below it; view 0 is the picture as it is."""
_ALONE = Processes()
_LARGEST = float(np.finfo(np.float16).max)


class Frozen:
    """The part of a network below a cut, compiled for pictures of one size."""

    def __init__(self, below: Below, *, size_px: tuple[int, int], folder: Path) -> None:
        self.height_px, self.width_px = size_px
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        file = folder / "frozen.xml"
        example = nets.example_pixels(height_px=self.height_px, width_px=self.width_px)
        with nets.plain_attention():
            convert_network(below.eval(), file, example=example)
        self.network = CompiledNetwork(
            file,
            height_px=self.height_px,
            width_px=self.width_px,
            precision="bf16" if has_native_bf16() else "f32",
            threads=min(available_cores(), torch.get_num_threads()),  # as few as torch was told to keep to
        )

    def compute(
        self,
        pixels: NDArray[np.uint8],
        *,
        n_views: int = 1,
        augment: Augmentation | None = None,
        seed: int = 0,
        processes: Processes = _ALONE,
        progress: Progress = silent,
    ) -> Values:
        """Return the values (n, n_views, d) of pixels uint8 (n, h, w, 3); all views but the first are augmented.

        Several `processes` compute a share each and give it to the others.
        """
        begins = range(0, len(pixels), BATCH_SIZE)
        own = begins[processes.rank :: processes.n] or begins[:1]  # one at least, which tells d
        total, done = n_views * sum(min(BATCH_SIZE, len(pixels) - begin) for begin in own), 0
        values: Values | None = None
        progress("frozen part", 0, total)
        for rows, view, part in self._run(pixels, own, n_views=n_views, augment=augment, seed=seed):
            if values is None:
                shape = (len(pixels), n_views, part.shape[1])
                values = make_array(
                    shape, np.float16, folder=self.folder, what="The values of the frozen part"
                )
            values[rows, view] = part.clip(-_LARGEST, _LARGEST)
            done += len(part)
            progress("frozen part", done, total)
        if values is None:
            return np.zeros((0, n_views, 0), np.float16)
        for number, begin in enumerate(begins):
            processes.hand_out(values[begin : begin + BATCH_SIZE], owner=number % processes.n)
        return values

    def _run(
        self,
        pixels: NDArray[np.uint8],
        begins: range,
        *,
        n_views: int,
        augment: Augmentation | None,
        seed: int,
    ) -> Iterator[tuple[slice, int, NDArray[np.float32]]]:
        places = [(slice(begin, begin + BATCH_SIZE), view) for begin in begins for view in range(n_views)]

        def batches() -> Iterator[NDArray[np.uint8]]:
            for rows, view in places:
                some = np.array(pixels[rows])
                if view and augment is not None:
                    generator = torch.Generator().manual_seed(seed_of(seed, "view", view, rows.start))
                    planes = torch.from_numpy(some).permute(0, 3, 1, 2)
                    some = np.ascontiguousarray(augment(planes, generator).permute(0, 2, 3, 1).numpy())
                yield some

        found = self.network.run_batches(batches())
        for (rows, view), part in zip(places, found, strict=True):
            yield rows, view, part


class FrozenBatches:
    """Batches of stored values, on `device`: every epoch each picture comes once, in the next of its views."""

    def __init__(
        self,
        values: Values,
        labels: NDArray[np.int64] | NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
        weights: NDArray[np.float32] | None = None,
        device: str = "cpu",
    ) -> None:
        self.n_pictures = len(values)
        self.batch_size = min(batch_size or self.n_pictures, self.n_pictures)
        self.n_batches = -(-self.n_pictures // self.batch_size)
        some = float(np.abs(values[:64].astype(np.float64)).sum())
        told = hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()
        self.fingerprint = f"{values.shape} {seed} {some!r} {told}"
        self._values, self._seed, self._device = values, seed, device
        self._labels = torch.from_numpy(np.array(labels)).to(device)
        self._weights = None if weights is None else torch.from_numpy(weights).to(device)
        self._first = np.random.default_rng(seed_of(seed, "views")).integers(
            values.shape[1], size=len(values)
        )

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (from 0), the first `start` left out."""
        order = np.random.default_rng([seed_of(self._seed, "order"), number]).permutation(self.n_pictures)
        view = (self._first + number) % self._values.shape[1]
        for i in range(start, self.n_batches):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            x = torch.from_numpy(self._values[rows, view[rows]]).to(self._device).float()  # moved as halves
            index = torch.from_numpy(rows).to(self._device)
            yield Batch(x, self._labels[index], None if self._weights is None else self._weights[index])
