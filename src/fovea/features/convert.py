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
from fovea.features.encoder import Features, Pixels, Preprocess, Stage
from fovea.features.folder import cache_folder
from fovea.features.known import EMBEDDED, KNOWN, on_disk, weights_folders
from fovea.features.openvino import CompiledNetwork, convert_network
from fovea.features.processor import available_cores
from fovea.manifest import imagenet_classes, plain_names
from fovea.nets.official import N_IMAGENET

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork

LARGEST_DIFFERENCE = 2e-3  # of a stage's largest value; MobileNetV2 in float32, with roots: 1e-5
LARGEST_HALF_DIFFERENCE = 4e-2  # with weights kept as float16; fovea-tiny, roots of small means: 2e-2


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
    """Write the backbone that `spec` names (`timm:NAME`, `torchvision:NAME`, `keras:NAME`) into the empty `folder`.

    With the tensors of the file `weights`, else the official ones: from a folder of weights or the library's own cache,
    or fetched by its code unless `offline`. `stages` are taken instead of the network's own.
    Raises BackboneError, MissingInputError, MissingExtraError; OSError where `folder` cannot be written.
    """
    named = build_named(spec, weights=weights, stages=stages, offline=offline)
    card = card_of(named, name=_name(spec, named, weights=weights))
    if named.card.kwargs.get("num_classes", N_IMAGENET) == N_IMAGENET:
        card = dataclasses.replace(card, class_names=plain_names(imagenet_classes()))
    write_backbone(named.pooled, folder, card=card)


def _name(spec: str, named: nets.NamedNetwork, *, weights: Path | None) -> str:
    """Return what a network is called: as asked for, with a file's own tensors also by that, a whole .keras file by it."""
    if spec.startswith("keras:"):
        spec = f"keras:{named.card.architecture}"
    if weights is None:
        return spec
    return weights.name if weights.suffix == ".keras" else f"{spec} ({weights.name})"


def build_named(
    spec: str, *, weights: Path | None, stages: tuple[str, ...], offline: bool
) -> nets.NamedNetwork:
    """Return the torch network of `convert_named`. Raises as that does."""
    if spec.startswith("keras:"):
        from fovea.nets.keras import build_keras

        return build_keras(
            spec,
            weights=weights,
            stages=stages,
            offline=offline,
            folders=weights_folders(),
            downloads=cache_folder() / "keras",
        )
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
    pictures of another shape can enter. Raises BackboneError where the converted network answers differently, OSError where
    `folder` cannot be written.
    """
    allowed = LARGEST_HALF_DIFFERENCE if half else LARGEST_DIFFERENCE
    size = card.preprocess.height_px, card.preprocess.width_px
    with nets.plain_attention():
        try:
            example = nets.example_pixels(height_px=size[0], width_px=size[1])
            convert_network(network, folder / NETWORK, example=example, half=half)
        except OSError:
            raise
        except Exception as error:  # tracing and translating fail in many ways
            reason = " ".join(str(error).split())[:200]
            raise BackboneError(
                f"{card.name!r} cannot be written in the runtime's form ({type(error).__name__}: {reason}). "
                "Take another network."
            ) from error
        differences = _differences(network, folder / NETWORK, size_px=size)
        difference = max(differences.values())
        if not difference <= allowed:
            raise BackboneError(
                f"{where_they_part(differences, name=card.name, allowed=allowed)} Use other weights."
            )
        try:  # taller, narrower pictures
            other = _differences(network, folder / NETWORK, size_px=(size[0] + 32, max(32, size[1] - 32)))
            any_shape = max(other.values()) <= allowed
        except (BackboneError, RuntimeError, AssertionError):
            any_shape = False  # torch networks refuse a shape in their own ways
    stages = _side_by_side(nets.stage_widths(network))
    answers = [one.stop - one.start for one in stages if one.name.endswith(":softmax")]
    card = dataclasses.replace(
        card,
        stages=stages,
        class_names=card.class_names if len(card.class_names) in answers else (),
        difference=difference,
        any_shape=any_shape,
    )
    write_card(folder, card)
    return card


def _side_by_side(widths: Sequence[tuple[str, int]]) -> tuple[Stage, ...]:
    edges = [0, *accumulate(width for _, width in widths)]
    return tuple(
        Stage(name=name, start=start, stop=stop)
        for (name, _), (start, stop) in zip(widths, pairwise(edges), strict=True)
    )


def _differences(network: "TorchNetwork", file: Path, *, size_px: tuple[int, int]) -> dict[str, float]:
    """Return each stage's largest difference between the converted network and torch, over its largest value."""
    height_px, width_px = size_px
    pixels = example_pictures(height_px=height_px, width_px=width_px)
    expected = nets.run_pooled(network, pixels)
    compiled = CompiledNetwork(
        file, height_px=height_px, width_px=width_px, precision="f32", threads=available_cores()
    )
    (found,) = compiled.run_batches([pixels])
    return stage_differences(found, expected, stages=_side_by_side(nets.stage_widths(network)))


def stage_differences(found: Features, expected: Features, *, stages: Sequence[Stage]) -> dict[str, float]:
    """Return each stage's largest difference of two (n, d) features, over its largest expected value; 0 is best."""
    if found.shape != expected.shape:
        return {stage.name: float("inf") for stage in stages}
    told = {}
    for stage in stages:
        columns = slice(stage.start, stage.stop)
        largest = max(float(np.abs(expected[:, columns]).max()), 1e-30)
        distance = float(np.abs(found[:, columns] - expected[:, columns]).max())
        told[stage.name] = distance / largest if np.isfinite(distance) else float("inf")
    return told


def where_they_part(differences: dict[str, float], *, name: str, allowed: float) -> str:
    """Say by how much a converted network differs (see `stage_differences`), and at which stage first."""
    names = list(differences)
    first = next(number for number, one in enumerate(names) if not differences[names[number]] <= allowed)
    agreed = f"up to {names[first - 1]!r} they agree" if first else "already the first does not agree"
    return (
        f"{name!r} answers differently after conversion: by {max(differences.values()):.2g} of a stage's largest value, "
        f"where {allowed} is allowed. The networks part at stage {names[first]!r} ({differences[names[first]]:.2g}); of "
        f"{len(names)} stages, {agreed}."
    )


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
