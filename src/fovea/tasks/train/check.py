"""Whether what was said of training can be done, known before any picture is read: names, values, what is never read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fovea.errors import InputError
from fovea.tasks.backbones import shape_of, with_default
from fovea.tasks.options import FIND, METHODS, BackboneOptions, MethodOptions, TrainingOptions
from fovea.tasks.several import check_shared
from fovea.tasks.train.method import SMALL_NET, require_torch
from fovea.wording import did_you_mean

if TYPE_CHECKING:
    from fovea.learn.training import Training

_USUAL_BACKBONE = BackboneOptions()
_WITH_MOMENTUM = ("momentum", "nesterov", "rmsprop")


def check_training(training: TrainingOptions, *, backbone: BackboneOptions = _USUAL_BACKBONE) -> None:
    """Raise InputError where what was said of training does not fit together, or with what was said of the backbone."""
    how, method = training.how, training.method
    if method not in METHODS:
        raise InputError(
            f"There is no method {method!r}{did_you_mean(method, METHODS)}. There are: {', '.join(METHODS)}."
        )
    if how.budget is not None and not 0 < how.budget < float("inf"):
        raise InputError(
            f"The budget is {how.budget!r} seconds; it must be above 0, for example --budget 10m."
        )
    if not how.unfreeze.strip("0"):
        raise InputError(
            f"--unfreeze is {how.unfreeze!r}; it is the number of last blocks that learn, such as 2, the name of the first of "
            "them, such as fc7, or all, or auto."
        )
    if how.ensemble < 1:
        raise InputError(f"--ensemble is {how.ensemble!r}; it is how many networks are averaged, 1 or more.")
    if isinstance(training.steps.lr, str) and not training.finds_rate:
        raise InputError(f"--lr is {training.steps.lr!r}; it is a number, such as 0.001, or {FIND}.")
    _check_method(training, backbone)
    if not how.unfreeze.isdigit() and how.unfreeze not in ("all", "auto"):
        require_torch(method)
        _check_block(how.unfreeze, backbone)
    check_shared(method, n_networks=how.ensemble)
    if how.track:
        from fovea.learn.training.trackers import require_trackers

        require_trackers(how.track)


def _check_block(name: str, backbone: BackboneOptions) -> None:
    """Raise InputError where the backbone has no block of this name."""
    from fovea.learn.finetune import open_trainable
    from fovea.learn.finetune.unfreezing import count_unfrozen

    told, _ = with_default(backbone)
    network = open_trainable(told.backbone, weights=told.weights, stages=told.stages, offline=told.offline)
    count_unfrozen(name, network)


def _check_method(training: TrainingOptions, backbone: BackboneOptions) -> None:
    """Raise InputError where something was said that the method never reads."""
    how, method = training.how, training.method
    said = sorted({*training.given(), *(["lr"] if training.finds_rate else [])}) + ["ensemble"] * (
        how.ensemble > 1
    )
    usual = MethodOptions()
    of_scratch, of_tuning, of_both = (
        [name for name in names if getattr(how, name) != getattr(usual, name)]
        for names in (
            ("net", "hidden", "activation", "init"),
            ("unfreeze", "head"),
            ("track", "device", "budget"),
        )
    )
    said += of_scratch + of_tuning + of_both
    if method == "probe" and said:
        raise InputError(
            f"{_flags(said)}: these say how a network is trained, and the "
            "probe trains none. Add --method finetune, or --method scratch."
        )
    if method == "finetune" and of_scratch:
        raise InputError(
            f"{_flags(of_scratch)}: these are of a network that learns from random weights, and --method finetune trains the "
            "backbone further. Add --method scratch instead, or leave them out."
        )
    if method == "scratch" and of_tuning:
        raise InputError(
            f"{_flags(of_tuning)}: these say how the backbone is trained further, and --method scratch trains a network from "
            "random weights. Add --method finetune instead, or leave them out."
        )
    if method == "auto" and how.net is None and of_scratch:
        raise InputError(
            f"{_flags(of_scratch)}: these are of a network that learns from random weights. Name it too, for example --net lenet5, "
            "or leave them out."
        )
    of_backbone = [
        name
        for name in ("backbone", "weights", "stages", "engine", "views")
        if getattr(backbone, name) != getattr(_USUAL_BACKBONE, name)
    ]
    if method == "scratch" and of_backbone:
        raise InputError(
            f"{_flags(of_backbone)}: these are of a backbone, and --method scratch trains a network from random weights without "
            "one. Leave them out, or add --method finetune instead."
        )
    height, width = shape_of(backbone) or (0, 0)
    if method == "scratch" and height != width:
        raise InputError(
            f"--size {backbone.size}: a network from scratch takes squares. Give one side, such as --size {min(height, width)}."
        )


def _flags(names: Sequence[str]) -> str:
    return ", ".join("--" + name.replace("stages", "stage").replace("_", "-") for name in names)


def check_wishes(training: TrainingOptions, *, backbone: BackboneOptions = _USUAL_BACKBONE) -> None:
    """Raise where a name or a value for the networks to be trained is not known, changes nothing, or cannot be.

    Raises:
        InputError: in one sentence; the closest name is named.
        MissingExtraError: a network is to be trained, and torch is not installed.
    """
    how, method = training.how, training.method
    if method == "probe":
        return
    require_torch(method)
    from fovea.learn.augment.policies import Looks, operations_of
    from fovea.learn.finetune.opening import require_tunable
    from fovea.learn.finetune.settings import Tuning, check_wish, hidden_widths
    from fovea.learn.scratch import library_of, require_options, require_size
    from fovea.nets.classic import ACTIVATIONS, INITS, unknown_name

    hidden_widths(how.head)
    if method != "scratch":
        told, _ = with_default(backbone)
        require_tunable(told.backbone, weights=told.weights)
    if method == "finetune":
        check_wish(Tuning(head_layers=how.head, given=training.given()))
        if training.given().get("cutmix") and how.unfreeze != "all":
            raise InputError(
                "--cutmix pastes a part of one picture into another, and below the blocks that learn pictures are computed once "
                "and kept. Add --unfreeze all, or take --mixup, which mixes what is kept."
            )
    if method == "scratch" and how.net is None:
        raise InputError(
            "--method scratch needs the network's name: --net lenet5, for example, or --net fast for pictures of 28 to 32 px."
        )
    if how.net is not None:
        library_of(how.net)
        shape = shape_of(backbone) if method == "scratch" else None
        if shape is not None:
            require_size(how.net, shape[0])
    for kind, name, known in (("activation", how.activation, ACTIVATIONS), ("init", how.init, INITS)):
        if name is not None and name not in known:
            raise unknown_name(name, known, kind=kind)
    if how.net is not None:
        require_options(how.net, training.of_layers())
    elif method == "auto":
        _check_dropping(training)
    if training.regular.augment not in (None, "auto"):
        operations_of(training.regular.augment, looks=Looks())
    _check_effects(training.given(), _tried(training))


def _check_dropping(training: TrainingOptions) -> None:
    """Raise InputError where units are to be left out, and nothing has such: the network that auto tries has none."""
    from fovea.learn.finetune.settings import hidden_widths

    if training.given().get("dropout") and not hidden_widths(training.how.head):
        raise InputError(
            "--dropout: nothing that --method auto trains by itself has layers for this. Name a network that has, such as "
            "--net lenet5, give a --head with dense layers, or leave it out."
        )


def _tried(training: TrainingOptions) -> "dict[str, Training]":
    """Return the settings in effect of every network that the method may train, by its name ("": the backbone)."""
    from fovea.learn.finetune.settings import recipe as finetune_recipe
    from fovea.learn.scratch import recipe
    from fovea.learn.training import overridden

    given, tried = training.given(), {}
    if training.method != "scratch":
        tried[""] = overridden(finetune_recipe(), given)
    if training.method != "finetune":
        net = training.how.net or SMALL_NET
        tried[net] = overridden(recipe(net, n_pictures=1000), given)
    return tried


def _check_effects(given: Mapping[str, object], tried: "Mapping[str, Training]") -> None:
    """Raise InputError for a setting that none of the trainings reads."""
    last = list(tried.values())[-1].optimisation
    of_fast = {net: net == SMALL_NET and one.optimisation.optimizer == "muon" for net, one in tried.items()}
    for name, is_read, why in (
        (
            "momentum",
            any(of_fast[net] or one.optimisation.optimizer in _WITH_MOMENTUM for net, one in tried.items()),
            f"--momentum changes nothing of the optimizer {last.optimizer!r}. Leave it out, or give --optimizer momentum, nesterov "
            "or rmsprop.",
        ),
        (
            "weight_decay",
            not all(of_fast.values()),
            f"--weight-decay changes nothing of --net {SMALL_NET} with the optimizer 'muon'. Leave it out, or give another "
            "--optimizer.",
        ),
        (
            "warmup",
            any(one.optimisation.schedule != "one-cycle" for one in tried.values()),
            "--warmup changes nothing of the schedule 'one-cycle', which has its own. Leave it out, or give another --schedule.",
        ),
    ):
        if name in given and not is_read:
            raise InputError(why)
