"""Which places of a network are taken as features: a table, a rule for every other network, or the user's wish."""

import difflib
import hashlib
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError
from fovea.nets.layers import Layer, observe
from fovea.nets.stages import POOLS, Place

if TYPE_CHECKING:
    import torch


def _means(*modules: str) -> tuple[Place, ...]:
    """Return the mean of every module, and the maximum of the last."""
    return (*(Place(module, "mean") for module in modules), Place(modules[-1], "max"))


def _roots(*modules: str) -> tuple[Place, ...]:
    """Return the mean's root of every module."""
    return tuple(Place(module, "root") for module in modules)


# By the architecture's name, or its beginning where a star ends it; the longest that fits. The class answers come behind.
_PLACES: dict[str, tuple[Place, ...]] = {
    # Widened maps inside the blocks, behind the depthwise convolution, the last convolution's, and the 1,000 answers:
    # measured in lab/LOG.md, against the blocks' outputs.
    "timm/mobilenetv2*": (
        *_roots("blocks.3.3.bn2", "blocks.4.2.bn2", "blocks.5.0.bn2", "blocks.5.1.bn2", "blocks.5.2.bn2"),
        *_roots("blocks.6.0.bn2", "bn2"),
    ),
    "timm/efficientnet_b0": _means("blocks.3", "blocks.4", "blocks.6", "bn2"),
    "timm/vit_small_patch16_224": (
        *(Place(module, "mean") for module in ("blocks.5", "blocks.8", "norm")),
        Place("head", "input"),
    ),
    "timm/convnext_tiny": (*_means("stages.1", "stages.2", "stages.3"), Place("head.fc", "input")),
    "torchvision/alexnet": (
        *_means("features.7", "features.9", "features.12"),
        Place("classifier.2", "flat"),
    ),
    "torchvision/vgg16": (
        *_means("features.15", "features.22", "features.29"),
        Place("classifier.4", "flat"),
    ),
    "torchvision/googlenet": _means("inception3b", "inception4e", "inception5b"),
    "torchvision/inception_v3": _means("Mixed_5d", "Mixed_6e", "Mixed_7c"),
    "torchvision/resnet*": _means("layer2", "layer3", "layer4"),
    "torchvision/densenet121": (
        *_means("features.denseblock2", "features.denseblock3", "features.norm5"),
        Place("classifier", "input"),
    ),
    "torchvision/squeezenet1_1": _means(
        "features.7", "features.9", "features.10", "features.11", "features.12"
    ),
    "torchvision/mobilenet_v2": _means(
        "features.10", "features.13", "features.16", "features.17", "features.18"
    ),
    "torchvision/efficientnet_b0": _means("features.4", "features.5", "features.7", "features.8"),
    "torchvision/convnext_tiny": (
        *_means("features.3", "features.5", "features.7"),
        Place("classifier.2", "input"),
    ),
}

# Fully connected layers as the papers number them (behind their ReLU), by the architecture's beginning.
_ALIASES: dict[str, dict[str, str]] = {
    "torchvision/alexnet": {"fc6": "classifier.2", "fc7": "classifier.5", "fc8": "classifier.6"},
    "torchvision/vgg": {"fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"},
    "timm/vgg": {"fc6": "pre_logits.act1", "fc7": "pre_logits.act2", "fc8": "head.fc"},
}


def places_of(
    network: "torch.nn.Module",
    *,
    library: str,
    architecture: str,
    size_px: int,
    stages: tuple[str, ...] = (),
) -> tuple[Place, ...]:
    """Return the places to take: those named in `stages`, else the table's, else those that the rule finds.

    Raises BackboneError where a stage is not known, or where the network has no place to take.
    """
    layers = observe(network, size_px=size_px)
    key = f"{library}/{architecture.partition('.')[0]}"
    if stages:
        return tuple(_named(stage, layers, key=key) for stage in dict.fromkeys(stages))
    fitting = [
        known for known in _PLACES if key == known or (known[-1] == "*" and key.startswith(known[:-1]))
    ]
    places = _PLACES[max(fitting, key=len)] if fitting else _found(network, layers)
    logits = _logits(network, layers)
    places += (Place(logits, "softmax"),) if logits else ()
    if not places:
        raise BackboneError(
            f"{key!r} has no place to take features from: none of its modules puts out maps, tokens or classes. "
            "Name one: --stage NAME."
        )
    return places


def stages_version() -> str:
    """Return a short name of the table of places, so that a changed table converts weights again."""
    told = repr((sorted(_PLACES.items()), _RULE_VERSION))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


_RULE_VERSION = 1  # to be raised when the rule finds other places


def _logits(network: "torch.nn.Module", layers: tuple[Layer, ...]) -> str:
    """Return the outermost module that gives the class logits, "" where the network ends otherwise."""
    import torch

    for layer in sorted((one for one in layers if one.answers), key=lambda one: one.name.count(".")):
        n_answers = int(torch.tensor(layer.shape).prod())
        for inner in network.get_submodule(layer.name).modules():
            n_out = getattr(inner, "out_features", getattr(inner, "out_channels", None))
            if n_out == n_answers and isinstance(inner, torch.nn.Linear | torch.nn.Conv2d):
                return layer.name
    return ""


def _found(network: "torch.nn.Module", layers: tuple[Layer, ...]) -> tuple[Place, ...]:
    """Return places of a network that the table does not know.

    What timm says of its own network; else the last module at each of the last three resolutions.
    """
    known = {layer.name: layer for layer in layers}
    told: Any = getattr(network, "feature_info", None)
    modules = [str(stage["module"]) for stage in told] if isinstance(told, list) else []
    modules = [name for name in modules if name in known and known[name].space]
    if not modules:
        at: dict[tuple[int, ...], str] = {}
        for layer in layers:
            if layer.space:
                at.pop(layer.space, None)
                at[layer.space] = layer.name
        modules = list(at.values())
    modules = modules[-3:]
    if not modules:
        return ()
    places = [Place(name, "mean", known[name].axis) for name in modules]
    return (*places, Place(modules[-1], "max", known[modules[-1]].axis))


def _named(stage: str, layers: tuple[Layer, ...], *, key: str) -> Place:
    """Return the place of a stage's name, such as `layer4.1`, `layer4.1:max` or `fc7`. Raises BackboneError."""
    name, _, pool = stage.rpartition(":")
    if pool not in POOLS or not name:
        name, pool = stage, ""
    aliases = next((one for known, one in _ALIASES.items() if key.startswith(known)), {})
    known = {layer.name: layer for layer in layers}
    layer = known.get(aliases.get(name, name))
    if layer is None:
        names = [*aliases, *known]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[-3:]
        spec = key.replace("/", ":")
        raise BackboneError(
            f"{spec!r} has no stage {name!r}. Closest: {', '.join(near)}. All of them: fovea backbones show {spec}."
        )
    return Place(layer.name, pool or ("mean" if layer.space else "flat"), layer.axis)
