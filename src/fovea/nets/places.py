"""Which places of a network are taken as features: a table, a rule for every other network, or the user's wish."""

import difflib
import hashlib
import math
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, InputError
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
    "torchvision/alexnet": (  # fc6 rather than fc7: Donahue 2014 (DeCAF), table 1
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
    "keras/VGG": {"fc6": "fc1", "fc7": "fc2", "fc8": "predictions"},
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

    Raises InputError where a stage is not known, BackboneError where the network has no place to take.
    """
    layers = observe(network, size_px=size_px)
    return choose_places(network, layers, library=library, architecture=architecture, stages=stages)


def choose_places(
    network: "torch.nn.Module",
    layers: tuple[Layer, ...],
    *,
    library: str,
    architecture: str,
    stages: tuple[str, ...] = (),
) -> tuple[Place, ...]:
    """Return the places to take of a network whose layers are known; see `places_of`."""
    key = f"{library}/{architecture.partition('.')[0]}"
    if stages:
        shown = architecture if architecture.endswith(".keras") else key.replace("/", ":")
        return tuple(_named(stage, layers, key=key, shown=shown) for stage in dict.fromkeys(stages))
    fitting = [
        known for known in _PLACES if key == known or (known[-1] == "*" and key.startswith(known[:-1]))
    ]
    logits, classifier = _classifier(network, layers)
    places = _PLACES[max(fitting, key=len)] if fitting else _found(network, layers, classifier, logits=logits)
    places += (Place(logits, "softmax"),) if logits else ()
    if not places:
        raise BackboneError(
            f"{key!r} has no place to take features from: none of its modules puts out maps, tokens or classes. "
            "Name one: --stage NAME."
        )
    return places


def aliases_of(library: str, architecture: str) -> dict[str, str]:
    """Return the names that the papers give fully connected layers of a network, each with its module's path."""
    key = f"{library}/{architecture}"
    return next((one for known, one in _ALIASES.items() if key.startswith(known)), {})


def stages_version() -> str:
    """Return a short name of the table of places, so that a changed table converts weights again."""
    told = repr((sorted(_PLACES.items()), _RULE_VERSION))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


_RULE_VERSION = 1  # to be raised when the rule finds other places


def _classifier(network: "torch.nn.Module", layers: tuple[Layer, ...]) -> tuple[str, str]:
    """Return the outermost module that gives the class logits, and the layer in it that computes them; "" for none."""
    for layer in sorted((one for one in layers if one.answers), key=lambda one: one.name.count(".")):
        for inner, module in reversed(list(network.get_submodule(layer.name).named_modules())):
            if _widths(module)[1] == math.prod(layer.shape):
                return layer.name, f"{layer.name}.{inner}".rstrip(".")
    return "", ""


def _widths(module: "torch.nn.Module") -> tuple[int, int]:
    """Return the channels that enter and leave a fully connected layer or convolution; zeros for other modules."""
    import torch

    if isinstance(module, torch.nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, torch.nn.Conv2d):
        return module.in_channels, module.out_channels
    n_in, n_out = getattr(module, "widths", (0, 0))  # keras's layers say it themselves
    return int(n_in), int(n_out)


def _found(
    network: "torch.nn.Module", layers: tuple[Layer, ...], classifier: str, *, logits: str
) -> tuple[Place, ...]:
    """Return places of a network that the table does not know.

    Of what timm says of its own network, else of the outermost and last module at each resolution: the last three. Where
    all have one resolution, as tokens have: the blocks at half and three quarters, and the last. Then what enters the
    classifier, where that is not the mean of the last one's maps.
    """
    spatial = {
        one.name: one
        for one in layers
        if one.space
        and len(set(one.space)) == 1  # maps of a square picture are square: other shapes are windows of them
        and not f"{one.name}.".startswith(f"{logits or '?'}.")
    }
    told: Any = getattr(network, "feature_info", None)
    names = [str(stage["module"]) for stage in told] if isinstance(told, list) else []
    taken = [spatial[name] for name in names if name in spatial]
    if not taken:
        at = {one.space: one for one in sorted(spatial.values(), key=lambda one: -one.name.count("."))}
        taken = [one for one in spatial.values() if at[one.space] == one]
    taken = [one for one in taken if len(one.space) == len(taken[-1].space)]  # tokens without the maps before
    if len({one.space for one in taken}) == 1:
        blocks = _blocks(spatial, taken[-1])
        taken = [*(blocks[len(blocks) * part // 4 - 1] for part in (2, 3) if len(blocks) > 3), taken[-1]]
    last = taken[-1] if taken else None
    places = [Place(one.name, "mean", one.axis) for one in taken[-3:]]
    if last:
        places.append(Place(last.name, "max", last.axis))
    if classifier and (
        not last or not last.map_px or last.n_channels != _widths(network.get_submodule(classifier))[0]
    ):
        places.append(Place(classifier, "input"))
    return tuple(places)


def _blocks(spatial: dict[str, Layer], last: Layer) -> list[Layer]:
    """Return the longest row of modules numbered side by side in one parent that put out the shape of `last`."""
    rows: dict[str, list[Layer]] = {}
    for one in spatial.values():
        if one.shape == last.shape and one.name[-1].isdigit():
            rows.setdefault(one.name.rstrip("0123456789"), []).append(one)
    return max(rows.values(), key=len, default=[])


def _named(stage: str, layers: tuple[Layer, ...], *, key: str, shown: str) -> Place:
    """Return the place of a stage's name, such as `layer4.1`, `layer4.1:max` or `fc7`. Raises InputError.

    `shown` is what `fovea backbones show` takes for the network.
    """
    name, _, pool = stage.rpartition(":")
    if pool not in POOLS or not name:
        name, pool = stage, ""
    aliases = aliases_of(*key.split("/", 1))
    known = {layer.name: layer for layer in layers}
    layer = known.get(aliases.get(name, name))
    if layer is None:
        names = [*aliases, *known]
        near = ", ".join(map(repr, difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names[-3:]))
        raise InputError(
            f"{shown!r} has no stage {name!r}; the nearest of its {len(known)} are {near}. All are listed by "
            f"`fovea backbones show {shown}`; a pool may follow the name: {', '.join(f':{one}' for one in POOLS)}."
        )
    return Place(layer.name, pool or ("mean" if layer.space else "flat"), layer.axis)
