"""Opening the network behind a backbone for training: by the same names as `features.open_backbone`, with its places."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from fovea import nets
from fovea.errors import BackboneError, InputError
from fovea.features import EMBEDDED
from fovea.features.card import NETWORK, TRAINED, BackboneCard
from fovea.features.convert import (
    LARGEST_HALF_DIFFERENCE,
    build_named,
    example_pictures,
    stage_differences,
)
from fovea.features.finding import LIBRARIES, find_backbone
from fovea.features.openvino import CompiledNetwork, read_constants
from fovea.nets.blocks import find_blocks
from fovea.nets.keras_trained import LIBRARY, describe_keras, is_keras_file
from fovea.nets.places import places_of
from fovea.nets.stages import WHOLE, Place, pooled_network, release_network
from fovea.nets.state import fit_tensors, read_tensors
from fovea.nets.tiny import Tiny
from fovea.nets.trainable import Headed, Trainable, inner_card
from fovea.nets.weights import WeightsCard, read_weights_card
from fovea.nets.zoo import DROP_PATH, build_network, run_pooled


def open_trainable(
    backbone: str | None = None,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    offline: bool = True,
) -> Trainable:
    """Return the network that `backbone` names or `weights` holds, with its weights, ready to be trained further.

    As `features.open_backbone`, but for ONNX files, which have no torch network. Its places are those of the encoder.
    Raises InputError, MissingInputError, BackboneError, MissingExtraError.
    """
    require_tunable(backbone, weights=weights)
    name = backbone or EMBEDDED
    if weights is not None and (backbone is None and weights.suffix == ".safetensors"):
        return _of_named(nets.build_described(weights, stages=stages))
    if weights is not None and is_keras_file(str(weights)):
        named = build_named(backbone or f"{LIBRARY}:", weights=weights, stages=stages, offline=offline)
        return _of_named(replace(named, card=describe_keras(named.card, weights)))
    if weights is not None or name.startswith(LIBRARIES):
        return _of_named(build_named(name, weights=weights, stages=stages, offline=offline))
    folder, card = find_backbone(backbone=name)
    if (folder / TRAINED).is_file():
        return _of_run(folder, card, stages=stages)
    if card.name == EMBEDDED:
        return _embedded(folder, card, stages=stages)
    return _of_named(build_named(card.name, weights=None, stages=stages, offline=offline))


def require_tunable(backbone: str | None, *, weights: Path | None = None) -> None:
    """Raise InputError where a backbone predicts but cannot be trained further, for it has no torch network."""
    if weights is not None and weights.suffix.lower() == ".onnx":
        raise InputError(
            f"{str(weights)!r} is an ONNX file, which predicts but cannot be trained further. Name the same network of a "
            "library, such as --backbone torchvision:resnet18, or leave out --backbone."
        )
    name = backbone or EMBEDDED
    if weights is not None or name.startswith(LIBRARIES):
        return
    folder, card = find_backbone(backbone=name)
    if (folder / TRAINED).is_file() or card.name == EMBEDDED:
        return
    if "joined" in json.loads(card.structure):
        raise InputError(
            f"The network of {name!r} is the average of several, which predicts, and serves a probe, but cannot be trained "
            "further. Train one alone and go on from that: fovea train PHOTOS --out RUN --method finetune, without --budget."
        )
    if not card.name.startswith(LIBRARIES) or card.name.endswith(")"):
        raise InputError(
            f"The backbone {name!r} ({card.name}) is held in the runtime's form only, which predicts but cannot be trained "
            "further. Name its weights: --weights FILE.safetensors, or a network of a library."
        )


def with_drop_path(trainable: Trainable, share: float | None) -> Trainable:
    """Return the network with so large a share of its residual blocks left out at random while it learns (Huang 2016).

    The share is the last block's; towards the first one it falls to 0. None is the library's own. Raises InputError where a
    network knows no such thing.
    """
    card, name = trainable.card, DROP_PATH.get(trainable.card.library, "")
    kwargs = {key: value for key, value in card.kwargs.items() if key != name}
    if share is not None:
        kwargs[name] = share
    if kwargs == card.kwargs:
        return trainable
    told, network = replace(card, kwargs=kwargs), None
    with suppress(BackboneError):  # it takes no such option
        network = build_network(told) if name else None
    if network is not None:
        network.load_state_dict(trainable.network.state_dict())
        return replace(trainable, network=network, card=told)
    if not share:
        return trainable
    raise InputError(
        f"--drop-path: {card.architecture} ({card.library}) has no residual blocks that can be left out. Leave --drop-path "
        "out, or take another network: fovea-tiny, most of timm's, torchvision's efficientnet_b0 or convnext_tiny."
    )


def _of_named(named: nets.NamedNetwork) -> Trainable:
    network, places = release_network(named.pooled)
    return _trainable(network, named.card, places)


def _trainable(network: nn.Module, card: WeightsCard, places: tuple[Place, ...]) -> Trainable:
    for one in network.modules():
        if hasattr(one, "keep_statistics"):  # of keras, whose layers know no mode of their own
            cast("Any", one).keep_statistics()
    return Trainable(
        network=network,
        card=card,
        classifier=next((place.module for place in places if place.pool == "softmax"), ""),
        blocks=find_blocks(network, size_px=card.size_px),
        places=places,
    )


def _of_run(folder: Path, card: BackboneCard, *, stages: tuple[str, ...]) -> Trainable:
    """Return the network that an earlier run trained, with the places that the run's encoder takes.

    As the export took it apart: a linear head was left outside, every other network is called `WHOLE`.
    """
    file = folder / TRAINED
    told = read_weights_card(file)
    network = build_network(told)
    wrong = fit_tensors(network, read_tensors(file))
    if wrong:
        raise BackboneError(f"The tensors in {str(file)!r} do not fit its network: {wrong}. Train again.")
    names = [one.name for one in card.stages]
    if isinstance(network, Headed) and len(network.head) == 1:
        places = {place.name: place for place in network.places}
        told, weights = inner_card(told), network.network.state_dict()
        network = build_network(told)
        network.load_state_dict(weights)
    else:
        places = {name: _place_within(name) for name in names}
    if stages:
        names = [name for stage in stages for name in names if stage in (name, name.rpartition(":")[0])]
    return _trainable(network, told, tuple(places[name] for name in dict.fromkeys(names)))


def _place_within(name: str) -> Place:
    """Return the place of a whole network that its encoder's stage names, such as `net.classifier:input` or `net:flat`."""
    module, _, pool = name.rpartition(":")
    return Place(module.removeprefix(WHOLE).removeprefix("."), pool)


def _places(network: nn.Module, card: WeightsCard, stages: tuple[str, ...]) -> tuple[Place, ...]:
    return places_of(
        network, library=card.library, architecture=card.architecture, size_px=card.size_px, stages=stages
    )


def _embedded(folder: Path, card: BackboneCard, *, stages: tuple[str, ...]) -> Trainable:
    """Return fovea-tiny with the weights of the package's own network, checked against its answers.

    There batch norms are folded into the convolutions: here they add the bias and are the identity otherwise.
    """
    network = Tiny().eval()
    fill(network, folder / NETWORK)
    structure = json.loads(card.structure)
    grey, deviation = float(structure["mean"]), float(structure["std"])
    mean, std = (grey, grey, grey), (deviation, deviation, deviation)
    told = WeightsCard(
        library="fovea",
        architecture=EMBEDDED,
        size_px=card.preprocess.height_px,
        mean=mean,
        std=std,
        class_names=tuple(map(str, range(network.classifier.out_features))),
        licence=card.licence,
        source=card.source,
    )
    places = _places(network, told, tuple(one.name for one in card.stages))
    pooled = pooled_network(network, places=places, mean=mean, std=std)
    size = card.preprocess.height_px, card.preprocess.width_px
    pixels = example_pictures(height_px=size[0], width_px=size[1])
    compiled = CompiledNetwork(
        folder / NETWORK, height_px=size[0], width_px=size[1], precision="f32", threads=1
    )
    (expected,) = compiled.run_batches([pixels])
    differences = stage_differences(run_pooled(pooled, pixels), expected, stages=card.stages)
    release_network(pooled)
    if not max(differences.values()) <= LARGEST_HALF_DIFFERENCE:
        raise BackboneError(
            f"The weights of {EMBEDDED} could not be read back from the package: the answers differ by "
            f"{max(differences.values()):.2g} of a stage's largest value. Install the package again."
        )
    return _trainable(network, told, _places(network, told, stages) if stages else places)


def fill(network: Tiny, file: Path) -> None:
    """Put the constants of the runtime's network into its torch module. Raises BackboneError where they do not fit."""
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    constants = iter(read_constants(file))
    try:
        with torch.no_grad():
            for layer in layers:
                if not isinstance(layer, nn.BatchNorm2d):
                    layer.weight.copy_(torch.from_numpy(next(constants)).reshape(layer.weight.shape))
                else:
                    layer.weight.fill_((1 + layer.eps) ** 0.5)
                if layer.bias is not None:
                    layer.bias.copy_(torch.from_numpy(next(constants)).reshape(layer.bias.shape))
    except (StopIteration, RuntimeError) as error:
        raise BackboneError(
            f"The network in {str(file)!r} is not the one that this version knows ({error}). Install the package again."
        ) from error
