"""What pictures allow, measured on them: whether mirrored ones still look like their class, whether they have colours.

A mirrored digit 2 is nearer to other digits than to any 2; a mirrored flower is as near to its kind as before.
"""

import numpy as np
from numpy.typing import NDArray

from fovea.learn.augment.policies import Looks
from fovea.learn.pixels import Pixels

N_LOOKED_AT = 2000
MIN_MEASURED = 100
_SIDE_PX = 16
_GROUP = 64  # pictures in floating point at a time
_NEIGHBOURS = 5
# On MNIST and the package's digits some class loses 58 to 100 % of its right answers (z 4.0 to 13.5, 300 to 2,000
# pictures, five draws each); on CIFAR-10, flowers, products and ants_bees none loses more than 6 % at z > 2.5.
_LOST_SHARE = 0.3
_SURE_Z = 3.5
_GREY_LEVELS = 2.0


def measure_looks(pixels: Pixels, labels: NDArray[np.integer] | None, *, seed: int = 0) -> Looks:
    """Return what pictures uint8 (n, h, w, 3) with class numbers (n,) allow, looking at 2,000 of them at most.

    Each picture is answered by its five nearest neighbours in 16 x 16 pixels, as it is and mirrored. Mirroring is out
    where some class loses 30 % of its right answers, beyond chance. Fewer than 100 pictures cannot tell, nor can those
    without classes (None): grey ones are then taken for digits or text, coloured ones not.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(pixels))[:N_LOOKED_AT])
    small = _shrunk(pixels[rows])
    spread = small.max(3) - small.min(3)
    has_colour = bool(spread.mean() > _GREY_LEVELS) if len(rows) else True
    if labels is None or len(rows) < MIN_MEASURED:
        return Looks(may_mirror=has_colour, has_colour=has_colour)
    classes, labels = np.unique(labels[rows], return_inverse=True)
    plain = _answers(small, small, labels) == labels
    mirrored = _answers(small[:, :, ::-1], small, labels) == labels
    n = len(classes)
    lost = np.bincount(labels[plain & ~mirrored], minlength=n)
    won = np.bincount(labels[~plain & mirrored], minlength=n)
    right = np.bincount(labels[plain], minlength=n)
    z = (lost - won) / np.sqrt(np.maximum(lost + won, 1))
    is_hurt = (z >= _SURE_Z) & (lost - won >= _LOST_SHARE * right)
    return Looks(may_mirror=not is_hurt.any(), has_colour=has_colour)


def _shrunk(pixels: Pixels) -> NDArray[np.float32]:
    """Return means over at most 16 x 16 cells of each picture: float32 (n, 16, 16, 3)."""
    if len(pixels) > _GROUP:
        return np.concatenate([_shrunk(pixels[at : at + _GROUP]) for at in range(0, len(pixels), _GROUP)])
    shrunk: NDArray[np.float32] = pixels.astype(np.float32)
    for axis in (1, 2):
        edges = np.unique(np.linspace(0, shrunk.shape[axis], _SIDE_PX, endpoint=False).astype(int))
        widths = np.diff([*edges, shrunk.shape[axis]]).astype(np.float32)
        shape = [1, 1, 1, 1]
        shape[axis] = len(edges)
        shrunk = (np.add.reduceat(shrunk, edges, axis=axis) / widths.reshape(shape)).astype(np.float32)
    return shrunk


def _answers(
    asked: NDArray[np.float32], known: NDArray[np.float32], labels: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return what the nearest pictures vote for, a picture's own row left out; the nearer ones decide ties."""
    likeness = _standardised(asked) @ _standardised(known).T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argpartition(-likeness, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    weights = 1 + 1e-3 * np.take_along_axis(likeness, nearest, axis=1)
    votes = np.zeros((len(asked), labels.max() + 1))
    np.add.at(votes, (np.arange(len(asked))[:, None], labels[nearest]), weights)
    answers: NDArray[np.int64] = votes.argmax(1)
    return answers


def _standardised(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(1, keepdims=True)
    scaled: NDArray[np.float32] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return scaled
