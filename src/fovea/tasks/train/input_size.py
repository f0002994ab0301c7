"""At what height and width pictures enter a network that is trained."""

import statistics
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Preprocess
from fovea.manifest import Manifest, Row
from fovea.pictures import decode
from fovea.tasks.backbones import shape_of

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config

Numbers = NDArray[np.int64]
SAMPLE = 25
"""Pictures whose sides are looked at."""
AREA = 2.0
"""How many times as many pixels the larger input has."""
LEAST = 0.9
"""Of the larger input's shorter side, what pictures must hold: blown up by a tenth they still gain."""
STEP_PX = 32
"""Sides are multiples of this: most networks halve them five times."""


def preprocess_for(net: str, manifest: Manifest, rows: Numbers, *, config: "Config") -> Preprocess:
    """Return the size at which a network from scratch takes these pictures: what is wished, or what suits both."""
    from fovea.learn.scratch import size_for

    wish = shape_of(config.backbone) if config.training.method == "scratch" else None
    size_px = wish[0] if wish else size_for(net, side_px=usual_side(manifest, rows))
    return Preprocess(size_px, size_px, config.backbone.fit)


def usual_side(manifest: Manifest, rows: Numbers) -> int:
    """Return the median of the shorter side in pixels, of up to 25 pictures spread over these rows."""
    spread = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)]
    sides = []
    for k in spread.tolist():
        row = manifest.rows[k]
        if row.width and row.height:
            sides.append(min(row.width, row.height))
        else:
            try:
                facts = decode(manifest.read(row)).facts
            except (OSError, ValueError):
                continue
            sides.append(min(facts.width, facts.height))
    return int(np.median(sides)) if sides else 224


def larger_shape(rows: tuple[Row, ...], *, encoder: Encoder) -> tuple[int, int] | None:
    """Return the (height, width) of an input of twice the network's own area and of its shape; None where pictures hold less.

    The middle of a picture seen closer teaches more than the whole of it in its own shape (lab/LOG.md).
    """
    known = [(row.height, row.width) for row in rows if row.height and row.width and not row.problem]
    if not known:
        return None
    height, width = (statistics.median(side) for side in zip(*known, strict=True))
    own = encoder.preprocess.height_px, encoder.preprocess.width_px
    tall, wide = (round(side * AREA**0.5 / STEP_PX) * STEP_PX for side in own)
    return (tall, wide) if min(height, width) >= LEAST * min(tall, wide) else None
