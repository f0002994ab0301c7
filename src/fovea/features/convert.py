"""Weights into a backbone folder: built by `nets`, written in the runtime's form, compared with the original.

Needs torch, once. What comes out needs it no more.
"""

import dataclasses
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fovea import nets
from fovea.errors import BackboneError
from fovea.features.card import NETWORK, BackboneCard, write_card
from fovea.features.encoder import Pixels, Preprocess, Stage
from fovea.features.known import EMBEDDED, KNOWN, on_disk, weights_folders
from fovea.features.openvino import CompiledNetwork, convert_network
from fovea.features.processor import available_cores

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork

LARGEST_DIFFERENCE = 2e-3  # of the largest feature; MobileNetV2 in float32: 1e-5
LARGEST_HALF_DIFFERENCE = 1e-2  # with weights kept as float16; fovea-tiny, with roots: 4e-3


def convert_weights(weights: Path, folder: Path, *, sha256: str, stages: tuple[str, ...] = ()) -> None:
    """Write the backbone of a .safetensors file that describes itself into the empty `folder`.

    `stages` are taken instead of the network's own. Raises BackboneError, MissingExtraError; OSError where `folder`
    cannot be written.
    """
    named = nets.build_described(weights, stages=stages, sha256=sha256)
    write_backbone(named.pooled, folder, card=card_of(named, name=named.card.architecture))


def convert_named(
    spec: str,
    folder: Path,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    offline: bool = True,
) -> None:
    """Write the backbone that `spec` names (`timm:NAME`, `torchvision:NAME`) into the empty `folder`.

    With the tensors of the file `weights`, else the official ones: from a folder of weights or the library's own cache,
    or fetched by its code unless `offline`. `stages` are taken instead of the network's own.
    Raises BackboneError, MissingInputError, MissingExtraError; OSError where `folder` cannot be written.
    """
    named = build_named(spec, weights=weights, stages=stages, offline=offline)
    write_backbone(named.pooled, folder, card=card_of(named, name=spec))


def build_named(
    spec: str, *, weights: Path | None, stages: tuple[str, ...], offline: bool
) -> nets.NamedNetwork:
    """Return the torch network of `convert_named`. Raises as that does."""
    here = (EMBEDDED, *(name for name, known in KNOWN.items() if on_disk(known)))
    return nets.build_named(
        spec, weights=weights, stages=stages, offline=offline, folders=weights_folders(), also_here=here
    )


def card_of(named: nets.NamedNetwork, *, name: str) -> BackboneCard:
    """Return what is known of a network before it is converted."""
    told = named.card
    structure = {
        "library": told.library,
        "architecture": told.architecture,
        "kwargs": told.kwargs,
        "mean": told.mean,
        "std": told.std,
    }
    return BackboneCard(
        name=name,
        structure=json.dumps(structure, sort_keys=True),
        weights_sha256=named.weights_sha256,
        stages=(),
        preprocess=Preprocess(height_px=told.size_px, width_px=told.size_px, crop=told.crop),
        licence=told.licence,
        source=told.source,
        class_names=told.class_names,
    )


def write_backbone(
    network: "TorchNetwork", folder: Path, *, card: BackboneCard, half: bool = False
) -> BackboneCard:
    """Write a pooled network (see `nets.pooled_network`) into the empty `folder`; return its completed card.

    `half` keeps the weights as float16. Filled in are stages, largest difference to torch, and whether
    pictures of another shape can enter. Raises BackboneError where the converted network answers differently.
    """
    height_px, width_px = card.preprocess.height_px, card.preprocess.width_px
    example = nets.example_pixels(height_px=height_px, width_px=width_px)
    convert_network(network, folder / NETWORK, example=example, half=half)
    difference = _difference(network, folder / NETWORK, height_px=height_px, width_px=width_px)
    allowed = LARGEST_HALF_DIFFERENCE if half else LARGEST_DIFFERENCE
    if not difference <= allowed:
        raise BackboneError(
            f"{card.name!r} answers differently after conversion: by {difference:.2g} of its largest "
            f"feature, where {allowed} is allowed. Use other weights."
        )
    other = _other_shape_difference(network, folder / NETWORK, height_px=height_px, width_px=width_px)
    stages = _side_by_side(nets.stage_widths(network))
    named = any(
        one.name.endswith(":softmax") and one.stop - one.start == len(card.class_names) for one in stages
    )
    card = dataclasses.replace(
        card,
        stages=stages,
        class_names=card.class_names if named else (),
        difference=difference,
        any_shape=other <= allowed,
    )
    write_card(folder, card)
    return card


def _side_by_side(widths: Sequence[tuple[str, int]]) -> tuple[Stage, ...]:
    edges = [0, *accumulate(width for _, width in widths)]
    return tuple(
        Stage(name=name, start=start, stop=stop)
        for (name, _), (start, stop) in zip(widths, pairwise(edges), strict=True)
    )


def _other_shape_difference(network: "TorchNetwork", file: Path, *, height_px: int, width_px: int) -> float:
    """Return the difference for taller, narrower pictures; infinite where only one shape can enter."""
    try:
        return _difference(network, file, height_px=height_px + 32, width_px=max(32, width_px - 32))
    except (BackboneError, RuntimeError, AssertionError):  # torch networks refuse a shape in their own ways
        return float("inf")


def _difference(network: "TorchNetwork", file: Path, *, height_px: int, width_px: int) -> float:
    """Return the largest difference between the converted network and torch, over the largest feature."""
    pixels = example_pictures(height_px=height_px, width_px=width_px)
    expected = nets.run_pooled(network, pixels)
    compiled = CompiledNetwork(
        file, height_px=height_px, width_px=width_px, precision="f32", threads=available_cores()
    )
    (found,) = compiled.run_batches([pixels])
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def example_pictures(*, height_px: int, width_px: int, n_pictures: int = 4) -> Pixels:
    """Return drawn pictures, uint8 (n, h, w, 3), with the slow and quick changes that photographs have."""
    rng = np.random.default_rng(0)
    pictures = np.zeros((n_pictures, height_px, width_px, 3))
    for side in (2, 5, 16, 64):
        coarse = rng.normal(size=(n_pictures, side, side, 3))
        rows = np.arange(height_px) * side // height_px
        columns = np.arange(width_px) * side // width_px
        pictures += coarse[:, rows][:, :, columns] * 40
    return np.clip(pictures + 128, 0, 255).astype(np.uint8)
