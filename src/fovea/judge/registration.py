"""Does one picture show the same as another, whole, cropped, scaled or mirrored? Small pictures in, differences out.

The cut of one that looks most like the other is searched on a grid of cuts (normalised correlation), its edges are then
moved until the two agree best (Lucas and Kanade 1981, in the inverse compositional form of Baker and Matthews 2004), and
what still differs is measured in colours. No picture is read here.
"""

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SIDE = 48
"""Pixels of the small pictures that are compared, squashed to a square."""
_CELLS = 24  # a side, of the fine comparison
_COARSE = 12  # cells a side, of the search
_SCALES = (1.0, 0.93, 0.86, 0.79)
_STEP = 0.05  # of a side, between cuts; what the fine step can still mend
_ALIKE = 0.88  # correlation of the best cut: copies cut to 90 % reach 0.95 (lab/LOG.md)
_STEPS = 6
_NOISE = 6.0  # of 255: what compression leaves in pictures without detail (lab/LOG.md: 1 to 6 tried)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_BATCH = 128

Small: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]


def differences(small: Small, pairs: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how much the pictures of each pair differ once the one is laid over the other, and whether mirrored.

    `small` is uint8 (n, SIDE, SIDE, 3), squashed; `pairs` int64 (p, 2) are row numbers. The difference, float32 (p,), is what
    is left in 12 x 12 fields of colour, the geometric mean of its root mean square and of its largest, in units of the mean
    step between neighbouring fields: 0 for the same picture, infinite where no cut of either looks like the other at all.
    """
    difference, mirrored = np.full(len(pairs), np.inf, np.float32), np.zeros(len(pairs), bool)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    which = np.tile(np.arange(len(pairs)), 2)
    alike, is_turned, boxes = _search(small, both)
    for first in range(0, len(alike), _BATCH):
        some = slice(first, first + _BATCH)
        at, turned, box = alike[some], is_turned[some], boxes[some]
        outer, inner = (small[both[at, side]].astype(np.float32) for side in (0, 1))
        inner = np.where(turned[:, None, None, None], inner[:, :, ::-1], inner)
        left = _left_over(outer, inner, _moved(outer @ _GREY, inner @ _GREY, box))
        for k, turn, value in zip(which[at].tolist(), turned.tolist(), left.tolist(), strict=True):
            if value < difference[k]:
                difference[k], mirrored[k] = value, turn
    return difference, mirrored


def _search(
    small: Small, both: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return which ordered pairs are alike, whether mirrored, and the cut (m, 4) of the first that is like the second."""
    cuts, sampling = _cuts()
    order = np.argsort(both[:, 0], kind="stable")
    starts = np.flatnonzero(np.diff(both[order, 0])) + 1
    found: list[tuple[int, bool, int]] = []
    for some in np.split(order, starts) if len(order) else []:
        grey = small[both[some[0], 0]] @ _GREY
        table = (sampling @ grey @ sampling.T).reshape(-1, _COARSE, len(sampling) // _COARSE, _COARSE)
        windows = _unit(table.transpose(0, 2, 1, 3)[cuts[:, 0], cuts[:, 1]].reshape(len(cuts), -1))
        whole = sampling[:_COARSE] @ (small[both[some, 1]] @ _GREY) @ sampling[:_COARSE].T
        for is_turned in (False, True):
            seen = whole[:, :, ::-1] if is_turned else whole
            likeness = windows @ _unit(seen.reshape(len(some), -1)).T
            best = likeness.argmax(axis=0)
            good = np.flatnonzero(likeness[best, np.arange(len(some))] >= _ALIKE)
            found += [(int(some[k]), is_turned, int(best[k])) for k in good]
    at = np.array([one[0] for one in found], np.int64)
    turned = np.array([one[1] for one in found], bool)
    spans = np.array(_spans()) * SIDE
    chosen = cuts[np.array([one[2] for one in found], np.int64)]
    return at, turned, np.concatenate([spans[chosen[:, 0]], spans[chosen[:, 1]]], axis=1)


@cache
def _spans() -> tuple[tuple[float, float], ...]:
    """Return the parts of a side that are tried, the whole first."""
    return tuple(
        (float(start), float(start + scale))
        for scale in _SCALES
        for start in np.linspace(0, 1 - scale, 1 + int(np.ceil((1 - scale) / _STEP)))
    )


@cache
def _cuts() -> tuple[NDArray[np.int64], Floats]:
    """Return the cuts that are tried, int64 (m, 2) numbers of spans down and across, and what samples every span."""
    spans = np.array(_spans())
    size = (spans[:, 1] - spans[:, 0]).round(6)
    across = np.abs(size[:, None] - size) < 0.08
    across |= (size[:, None] == 1) | (size == 1)
    sampling = _sampling(spans[:, 0] * SIDE, spans[:, 1] * SIDE, cells=_COARSE)
    return np.argwhere(across), sampling.reshape(-1, SIDE)


def _sampling(first: NDArray[np.float64], last: NDArray[np.float64], *, cells: int) -> Floats:
    """Return float32 (p, cells, SIDE): what averages pixels over equal parts of the spans from `first` to `last`."""
    edges = first[:, None] + (last - first)[:, None] * np.arange(cells + 1) / cells
    pixel = np.arange(SIDE)
    shared = np.minimum(edges[:, 1:, None], pixel + 1) - np.maximum(edges[:, :-1, None], pixel)
    weight: Floats = np.clip(shared, 0, None).astype(np.float32)
    weight /= np.maximum(weight.sum(axis=2, keepdims=True), 1e-6)
    return weight


def _unit(rows: Floats) -> Floats:
    """Return rows without their mean and of length 1; those without contrast stay near 0 and are like nothing."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0)
    return rows


def _moved(outer: Floats, inner: Floats, box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cuts (p, 4: top, bottom, left, right in pixels) of `outer`, moved until they are most like `inner`."""
    whole = _sampling(np.zeros(1), np.full(1, float(SIDE)), cells=_CELLS)[0]
    wanted = whole @ inner @ whole.T
    middle = ((np.arange(_CELLS) + 0.5) / _CELLS).astype(np.float32)
    down, across = (np.gradient(wanted, axis=axis) * _CELLS for axis in (1, 2))
    slopes = np.stack(
        [down * (1 - middle)[:, None], down * middle[:, None], across * (1 - middle), across * middle], axis=1
    ).reshape(len(outer), 4, -1)
    hessian = slopes @ slopes.transpose(0, 2, 1)
    hessian += np.eye(4) * (1 + 1e-3 * np.trace(hessian, axis1=1, axis2=2)[:, None, None])
    best, least = box.copy(), np.full(len(box), np.inf)
    for _ in range(_STEPS):
        seen = _sampled(outer, box)
        left = (seen - wanted).reshape(len(outer), -1)
        error = (left * left).mean(axis=1)
        better = error < least
        best[better], least[better] = box[better], error[better]
        move = np.linalg.solve(hessian, slopes @ left[..., None])[..., 0]
        sides = np.repeat(box[:, 1::2] - box[:, ::2], 2, axis=1)
        box = np.clip(box - move * sides, -0.5, SIDE + 0.5)
        lost = (box[:, 1::2] - box[:, ::2]).min(axis=1) < 0.6 * SIDE
        box[lost] = best[lost]
    return best


def _sampled(outer: Floats, box: NDArray[np.float64]) -> Floats:
    """Return the cuts of pictures (p, SIDE, SIDE) or (p, SIDE, SIDE, 3) in _CELLS x _CELLS cells."""
    down, across = (_sampling(box[:, k], box[:, k + 1], cells=_CELLS) for k in (0, 2))
    if outer.ndim == 3:
        grey: Floats = np.matmul(np.matmul(down, outer), across.transpose(0, 2, 1), dtype=np.float32)
        return grey
    rows = (down @ outer.reshape(len(outer), SIDE, -1)).reshape(len(outer), _CELLS, SIDE, 3)
    colours: Floats = across[:, None] @ rows
    return colours


def _left_over(outer: Floats, inner: Floats, box: NDArray[np.float64]) -> Floats:
    """Return what still differs (p,): root mean square and largest of any field, their geometric mean, over the step."""
    whole = np.tile(np.array([0.0, SIDE, 0.0, SIDE]), (len(inner), 1))
    wanted = _sampled(inner, whole)
    left, fields = _fields(_sampled(outer, box) - wanted), _fields(wanted)
    steps = [np.abs(np.diff(fields, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2)]
    mean_square, largest = (left * left).mean(axis=(1, 2, 3)), np.abs(left).max(axis=(1, 2, 3))
    value: Floats = np.sqrt(np.sqrt(mean_square) * largest) / (steps[0] + steps[1] + _NOISE)
    return value


def _fields(pixels: Floats) -> Floats:
    """Return (p, h, w, 3) averaged over fields of 2 x 2."""
    p, h, w, c = pixels.shape
    fields: Floats = pixels.reshape(p, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
    return fields
