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
    """Return the (height, width) of a larger input as wide and high as pictures usually are, None where they hold no more.

    Its area is twice that of the network's own input; the median picture fills it without being blown up.
    """
    known = [(row.height, row.width) for row in rows if row.height and row.width and not row.problem]
    if not known:
        return None
    height, width = (statistics.median(side) for side in zip(*known, strict=True))
    area = AREA * encoder.preprocess.height_px * encoder.preprocess.width_px
    aspect = min(max(height / width, 1 / 2), 2.0)
    sides = (area * aspect) ** 0.5, (area / aspect) ** 0.5
    shape = tuple(max(STEP_PX, round(side / STEP_PX) * STEP_PX) for side in sides)
    return (shape[0], shape[1]) if shape[0] <= height and shape[1] <= width else None
