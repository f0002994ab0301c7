"""Building the network that is trained from scratch: a classic one, or one of torchvision or timm by name."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from fovea.errors import BackboneError, InputError, MissingInputError
from fovea.nets import WeightsCard
from fovea.nets.classic import (
    CLASSICS,
    build_classic,
    check_options,
    check_size,
    find_classic,
    initialise,
    options_of,
)
from fovea.nets.keras_trained import LIBRARY, is_keras_file, keras_size, make_keras
from fovea.nets.zoo import DROP_PATH, LIBRARIES, OWN, build_network, import_library
from fovea.wording import did_you_mean

SMALL_PX = 64  # pictures up to this side are taken as they are
_USUAL_PX = {"inception_v3": 299}
_LARGE_PX = 224
_WITHOUT_AUX = {
    "aux_logits": False,
    "init_weights": False,
}  # outputs beside the logits; weights are drawn by `init`
_KWARGS = {"googlenet": _WITHOUT_AUX, "inception_v3": _WITHOUT_AUX}
RGB: TypeAlias = tuple[float, float, float]
_DROPOUT = {"timm": "drop_rate", "torchvision": "dropout"}


@dataclass(frozen=True, slots=True)
class Made:
    """A network with random weights, the card that builds it again, and the path of its last linear layer."""

    network: nn.Module
    card: WeightsCard
    classifier: str


def library_of(net: str) -> tuple[str, str]:
    """Return library and name of a network: `lenet5`, `resnet18`, `timm:NAME` or `torchvision:NAME`.

    `FILE.keras` is a user's Keras model. A name without a library is a classic network, else one of torchvision, else one
    of timm. Raises InputError, MissingInputError.
    """
    if is_keras_file(net):
        if not Path(net).exists():
            raise MissingInputError(f"There is no Keras model at {net!r}. Check the path after --net.")
        return LIBRARY, net
    library, _, name = net.rpartition(":")
    if library:
        if library not in LIBRARIES:
            raise _unknown_library(library, net)
        return library, _known_name(name, library)
    if find_classic(name) is not None:
        return OWN, name
    try:
        models = import_library("torchvision")
        if name in models.list_models(module=models):
            return "torchvision", name
        known = [*models.list_models(module=models), *import_library("timm").list_models()]
    except BackboneError as error:
        raise InputError(str(error)) from error
    if name not in known:
        near = did_you_mean(name, [*CLASSICS, *known])
        raise InputError(
            f"There is no network {name!r}{near}. Of our own there are {', '.join(CLASSICS)}; others are those of torchvision "
            "and timm, or a .keras file."
        )
    return "timm", name


def _unknown_library(library: str, net: str) -> InputError:
    classic, behind = find_classic(library), net.rpartition(":")[2]
    if classic is not None:
        is_widths = "hidden" in options_of(classic) and behind.replace(",", "").isdecimal()
        return InputError(
            f"--net is {net!r}: nothing stands behind the name of {library!r}. Write --net {library}"
            f"{f' --hidden {behind}' if is_widths else ''}."
        )
    near = did_you_mean(library, LIBRARIES)
    return InputError(
        f"--net is {net!r}: there is no library {library!r}{near}. Known are {', '.join(LIBRARIES)}: timm:NAME, for example."
    )


def _known_name(name: str, library: str) -> str:
    """Return the name where the library has such a network. Raises InputError."""
    module = import_library(library)
    names = module.list_models() if library == "timm" else module.list_models(module=module)
    is_old = library == "timm" and module.is_model(name)  # timm takes former names too
    if not is_old and name.partition(".")[0] not in names:  # behind the dot stands which weights
        raise InputError(
            f"{library} has no network {name!r}{did_you_mean(name, names)}. It says which it has by "
            f"{module.__name__}.list_models()."
        )
    return name


def size_for(net: str, *, side_px: int) -> int:
    """Return the height and width at which a network is trained on pictures whose shorter side is `side_px`.

    Small pictures are taken as they are where they fit, and enlarged to the least that does; large ones come at the
    network's usual size. Raises InputError.
    """
    library, name = library_of(net)
    if library == LIBRARY:
        return keras_size(Path(net), small_px=side_px if side_px <= SMALL_PX else _LARGE_PX)
    classic = find_classic(name) if library == OWN else None
    if classic is not None:
        return side_px if classic.smallest_px <= side_px <= SMALL_PX else classic.usual_px
    usual_px = _USUAL_PX.get(name, _LARGE_PX)
    if side_px > SMALL_PX:
        return usual_px
    card = _card(library, name, n_classes=2, size_px=side_px)
    return max(side_px, smallest_px(build_network(card), at_most=usual_px))


def smallest_px(network: nn.Module, *, at_most: int) -> int:
    """Return the least height and width of pictures that a network can take, `at_most` where it takes none below."""
    network = network.to("meta").eval()
    low, high = 0, at_most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fits(network, middle) else (middle, high)
    return high


def _fits(network: nn.Module, size_px: int) -> bool:
    """Return whether a network on "meta" takes pictures of this height and width."""
    try:
        with torch.inference_mode():
            network(torch.empty((1, 3, size_px, size_px), device="meta"))
    except (RuntimeError, AssertionError, ValueError):  # each network refuses in its own way
        return False
    return True


def require_size(net: str, size_px: int) -> None:
    """Raise InputError where a network cannot take pictures of `size_px`, as --size wishes."""
    library, name = library_of(net)
    classic = find_classic(name) if library == OWN else None
    if library == LIBRARY:
        fits, usual_px = keras_size(Path(net), small_px=size_px) == size_px, 0
    elif classic is not None:
        fits, usual_px = size_px >= classic.smallest_px, classic.smallest_px
    else:
        usual_px = _USUAL_PX.get(name, _LARGE_PX)
        network = build_network(_card(library, name, n_classes=2, size_px=size_px)).to("meta").eval()
        fits = _fits(network, size_px)
        if not fits and size_px < usual_px:
            usual_px = smallest_px(network, at_most=usual_px)
    if not fits:
        taken = f" {usual_px} px" if usual_px else " the size that the model says"
        more = " and more" if library == OWN or 0 < size_px < usual_px < _LARGE_PX else ""
        raise InputError(
            f"--size {size_px}: {name!r} takes pictures of{taken}{more}. Leave --size out, or give one that it takes."
        )


def make_network(
    net: str,
    *,
    class_names: Sequence[str],
    size_px: int,
    mean: RGB,
    std: RGB,
    options: Mapping[str, Any],
    seed: int,
) -> Made:
    """Return a network with random weights for pictures of `size_px`, normalised by `mean` and `std` (of 0..1 values).

    Raises InputError for an unknown name or option and for pictures smaller than its smallest input, MissingExtraError.
    """
    library, name = library_of(net)
    if library == LIBRARY:
        return _make_keras(Path(net), class_names, size_px=size_px, usual=(mean, std), options=options)
    card = dataclasses.replace(
        _card(library, name, n_classes=len(class_names), size_px=size_px),
        mean=mean,
        std=std,
        class_names=tuple(class_names),
    )
    options = {key: one for key, one in options.items() if one is not None}
    if library == OWN:
        network = build_classic(name, n_classes=len(class_names), size_px=size_px, seed=seed, **options)
        kwargs = {key: one for key, one in options.items() if key != "init"}
        return Made(network, dataclasses.replace(card, kwargs=kwargs), "classifier")
    return _make_named(card, options, seed=seed)


def require_options(net: str, options: Mapping[str, Any]) -> None:
    """Raise InputError where a network has none of what these options say, as `make_network` does; nothing is computed."""
    library, name = library_of(net)
    given = {key: one for key, one in options.items() if one}
    if library == LIBRARY:
        _refuse_options(Path(net), options)
    elif library == OWN:
        check_options(name, given)
    elif given.keys() - {"init"}:
        card = _card(library, name, n_classes=2, size_px=_USUAL_PX.get(name, _LARGE_PX))
        try:
            build_network(_with_options(card, given), shapes_only=True)
        except BackboneError as error:
            raise _has_none(card, _refused_option(card, given, error)) from error


def _refuse_options(file: Path, options: Mapping[str, Any]) -> None:
    """Raise InputError where anything is said of a Keras model's layers."""
    said = [f"--{key.replace('_', '-')}" for key, one in options.items() if one is not None]
    if said:
        raise InputError(
            f"The layers of {str(file)!r} are as they are: leave out {', '.join(said)}, or change them in Keras."
        )


def _make_keras(
    file: Path,
    class_names: Sequence[str],
    *,
    size_px: int,
    usual: tuple[RGB, RGB],
    options: Mapping[str, Any],
) -> Made:
    _refuse_options(file, options)
    made = make_keras(file, class_names=tuple(class_names), size_px=size_px, usual=usual)
    return Made(made.network, made.card, "")


def _card(library: str, name: str, *, n_classes: int, size_px: int) -> WeightsCard:
    return WeightsCard(
        library=library,
        architecture=name,
        size_px=size_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        kwargs=dict(_KWARGS.get(name, {})) if library == "torchvision" else {},
        class_names=tuple(map(str, range(n_classes))),
    )


def _make_named(card: WeightsCard, options: Mapping[str, Any], *, seed: int) -> Made:
    bare, card = card, _with_options(card, options)
    drawn = {"init_weights": True} if "init_weights" in card.kwargs else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = build_network(dataclasses.replace(card, kwargs=card.kwargs | drawn))
        except BackboneError as error:
            refused = _refused_option(card, options, error)
            if options[refused]:
                raise _has_none(card, refused) from error
            return _make_named(
                bare, {key: one for key, one in options.items() if key != refused}, seed=seed
            )  # 0 is what it has
        if "init" in options:
            initialise(network, options["init"])
    _check_input(network, card)
    return Made(network, card, _last_linear(network, card))


def _with_options(card: WeightsCard, options: Mapping[str, Any]) -> WeightsCard:
    """Return the card with what its library calls these options."""
    named = {_option(key, card): one for key, one in options.items() if key not in ("init", "in_channels")}
    return dataclasses.replace(card, kwargs=card.kwargs | named)


def _has_none(card: WeightsCard, option: str) -> InputError:
    return InputError(
        f"The network {card.architecture!r} of {card.library} has no {option}: leave out --{option.replace('_', '-')}, or take "
        "another network."
    )


def _refused_option(card: WeightsCard, options: Mapping[str, Any], error: BackboneError) -> str:
    """Return which of the options a library's network does not know. Raises InputError where that is not why it failed."""
    for key in options:
        if f"unexpected keyword argument '{_option(key, card)}'" in str(error):
            return key
    raise InputError(f"{card.architecture!r} cannot be built with {dict(options)}: {error}") from error


def _option(key: str, card: WeightsCard) -> str:
    """Return what a library calls an option of ours."""
    if key == "dropout":
        return "drop_rate" if card.architecture.startswith("densenet") else _DROPOUT[card.library]
    return DROP_PATH[card.library] if key == "drop_path" else key


def _check_input(network: nn.Module, card: WeightsCard) -> None:
    """Raise InputError where pictures are smaller than a network's smallest input."""
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros((1, 3, card.size_px, card.size_px)))
    except (RuntimeError, AssertionError, ValueError):
        usual_px = _USUAL_PX.get(card.architecture, _LARGE_PX)
        smallest = smallest_px(build_network(card), at_most=usual_px)
        check_size(card.architecture, card.size_px, smallest_px=smallest, usual_px=smallest)
        raise


def _last_linear(network: nn.Module, card: WeightsCard) -> str:
    name: str
    for name, module in reversed(list(network.named_modules())):
        if isinstance(module, nn.Linear) and module.out_features == len(card.class_names):
            return name
    raise InputError(
        f"{card.architecture!r} does not end in a linear layer, so it cannot be trained here. Take another network."
    )
