"""Training a network from scratch: build it, plan what the budget allows, train, answer the validation pictures."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from torch import nn

from fovea.errors import InputError
from fovea.learn.scratch.answers import answer
from fovea.learn.scratch.assembly import Assembly, assemble
from fovea.learn.scratch.muon import FILTERS_LR, fast_optimizers
from fovea.learn.scratch.planning import Plan, plan_training
from fovea.learn.scratch.recipes import FEW, hastened, prolonged, recipe, wide_from
from fovea.learn.scratch.settings import Lesson, Making
from fovea.learn.trained import OnEpoch, Pictures, Trained, teller, unwatched
from fovea.learn.training import (
    RateSearch,
    Score,
    Training,
    choose_machine,
    overridden,
    train_network,
    with_found_rate,
)
from fovea.learn.training.described import describe_settings
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.memory import describe_bytes
from fovea.learn.training.optimisers import Optimizers
from fovea.learn.training.planned import PlanFile, job_of
from fovea.learn.training.processes import join_processes
from fovea.learn.training.rates import N_STEPS
from fovea.learn.training.scoring import score_of
from fovea.learn.training.step import Goal
from fovea.learn.training.timing import Trial
from fovea.nets.classic import find_classic, options_of
from fovea.nets.classic.fast import WIDE, Fast
from fovea.progress import Progress, silent, unheard
from fovea.wording import percent

_LEFT_ALONE = Making()
_N_TIMED = 1000  # pictures of a step that is timed, at most
_N_SCORED = 2000  # validation pictures that are answered after every epoch


def scratch(
    net: str,
    train: Pictures,
    *,
    valid: Pictures,
    class_names: Sequence[str],
    wish: Making = _LEFT_ALONE,
    workspace: Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    on_epoch: OnEpoch = unwatched,
) -> Trained:
    """Train a network from random weights on `train` and return it with the best weights by `valid`.

    Args:
        net: a classic network (`lenet5`), one of torchvision or timm (`resnet18`, `timm:NAME`).
        train: square pictures of one size (see `size_for`) with class numbers, or what `wish.kind` says.
        valid: others of the same size, by which weights are chosen.
        class_names: the k names.
        wish: what is wished instead of the recipe's own.
        workspace: a folder for the checkpoint, from which an interrupted training goes on.
        progress: told what is done.
        announce: told every sentence of the plan before training begins, and one after every epoch.
        on_epoch: told every epoch's record.

    Raises:
        InputError: an unknown network or setting; pictures smaller than its smallest input; a batch larger than memory.
        TooLittleTimeError: a budget in which hardly a step fits.
        MissingExtraError: torchvision or timm is needed.
    """
    clock = time.perf_counter()
    if not len(valid.labels):
        raise InputError(
            "No validation picture is left by which weights could be chosen: those there were could not be read, or are of "
            "classes that no training picture has. Leave the column 'split' out, or bring pictures of the training's classes."
        )
    draft = _draft(
        net, train, n_valid=len(valid.labels), class_names=class_names, wish=wish, workspace=workspace
    )
    assembly, wish, kept = draft.assembly, draft.wish, draft.kept
    network, rows = assembly.made.network, _scored_rows(len(valid.labels))
    settings = draft.plan.settings.after(time.perf_counter() - clock)
    settings, search = _with_rate(assembly, train, settings=settings, wish=wish, kept=kept)
    plan = replace(draft.plan, settings=settings)
    sentences = _sentences(net, assembly, plan=plan, wish=wish, n_pictures=len(train.labels), search=search)
    for sentence in sentences:
        announce(sentence)
    some, labels = assembly.planes(valid.pixels[rows]), valid.labels[rows]

    def evaluate(network: nn.Module) -> Score:
        return score_of(answer(network, some, normalise=assembly.normalise), labels, kind=wish.kind)

    with _learning(assembly, wish.lesson):
        history = train_network(
            network,
            assembly.batches(_taught(train, wish.lesson), settings=settings),
            settings=settings,
            kind=wish.kind,
            criterion=None if wish.lesson is None else wish.lesson.criterion,
            groups=_optimizers(network, settings, n_pictures=len(train.labels)),
            evaluate=evaluate,
            checkpoint=workspace / f"{Path(net).name.replace(':', '-')}.checkpoint",
            progress=progress,
            on_epoch=teller(announce, on_epoch, settings=settings, kind=wish.kind),
        )
    made = assembly.finish()
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    with machine.autocast():
        logits = answer(made.network, assembly.planes(valid.pixels), normalise=assembly.normalise)
    return Trained(
        made.network.cpu(),
        made.card,
        made.classifier,
        history,
        logits,
        settings=settings,
        plan=sentences,
        rate_search=search,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is put together as wished, what the budget allows of it, and the file that keeps the plan."""

    assembly: Assembly
    wish: Making
    plan: Plan
    kept: PlanFile


def _draft(
    net: str, train: Pictures, *, n_valid: int, class_names: Sequence[str], wish: Making, workspace: Path
) -> _Draft:
    """Return what the budget allows, or what an interrupted training had planned; of the fast network its wide form if it can."""
    n_pictures = len(train.labels)
    settings = overridden(recipe(net, n_pictures=n_pictures), wish.given)
    settings = prolonged(net, settings, given=wish.given)
    assembly = assemble(net, train, class_names=class_names, wish=wish, settings=settings)
    workspace.mkdir(parents=True, exist_ok=True)
    job = job_of(settings, assembly.made.card, wish.finds_rate, n_pictures, n_valid)
    kept = PlanFile(workspace / "plan.json", job)
    earlier = _planned_earlier(kept, settings)
    hasty = hastened(net, settings, given=wish.given)
    plan = _plan(assembly, train, n_valid=n_valid, wish=wish, settings=hasty, planned=earlier["epochs"])
    if hasty != settings and cast("int", plan.settings.looping.epochs) >= FEW:
        planned = cast("int", plan.settings.looping.epochs)
        plan = _plan(assembly, train, n_valid=n_valid, wish=wish, settings=settings, planned=planned)
    draft = _Draft(assembly, wish, plan, kept)
    enough = wide_from(net, settings, given={**wish.given, **wish.options}, n_pictures=n_pictures)
    can_widen = enough is not None and wish.widened and not assembly.is_grey
    if can_widen and (earlier["wide"] or (not earlier["epochs"] and plan.is_all_of(settings))):
        wish = replace(wish, options={**wish.options, "widths": WIDE})
        assembly = assemble(net, train, class_names=class_names, wish=wish, settings=settings)
        # Where it was not begun, more time or memory than there is leaves the usual form.
        with nullcontext() if earlier["wide"] else suppress(InputError):
            plan = _plan(
                assembly, train, n_valid=n_valid, wish=wish, settings=settings, planned=earlier["wide"]
            )
            n_epochs, is_whole = cast("int", plan.settings.looping.epochs), plan.share == 1
            if earlier["wide"] or (is_whole and n_epochs >= cast("int", enough)):
                draft = replace(draft, assembly=assembly, wish=wish, plan=plan)
                kept.add(wide=n_epochs)
    kept.add(epochs=draft.plan.settings.looping.epochs)
    return draft


def _planned_earlier(kept: PlanFile, settings: Training) -> dict[str, int]:
    """Return the epochs that an interrupted training had planned, and those of the wide form; 0 for none."""
    held, names = kept.read(), ("epochs", "wide")
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    told = join_processes(machine.device).agree(*(held.get(name, 0) for name in names))
    return {name: int(n) for name, n in zip(names, told, strict=True)}


def _plan(
    assembly: Assembly,
    train: Pictures,
    *,
    n_valid: int,
    wish: Making,
    settings: Training,
    planned: int,
) -> Plan:
    """Return what the budget allows, or what an interrupted training had planned."""
    n_pictures, batch_size = len(train.labels), settings.looping.batch_size
    taught, n_timed = _taught(train, wish.lesson), min(batch_size or _N_TIMED, _N_TIMED)
    with _learning(assembly, wish.lesson):
        trial = Trial(
            assembly.made.network,
            assembly.batches(Pictures(taught.pixels[:n_timed], taught.labels[:n_timed]), settings=settings),
            _goal(wish, settings),
            _optimizers(assembly.made.network, settings, n_pictures=n_pictures),
        )
        return plan_training(
            trial,
            settings=settings,
            n_pictures=n_pictures,
            n_scored=len(_scored_rows(n_valid)),
            n_answered=(n_valid + wish.n_again) * assembly.n_views,
            n_tried=wish.finds_rate * N_STEPS * (batch_size or n_pictures),
            planned=planned,
            wish=wish,
        )


def _goal(wish: Making, settings: Training) -> Goal:
    """Return what is learned, as `train_network` takes it."""
    if wish.lesson is not None:
        return Goal(wish.kind, wish.lesson.criterion)
    return Goal(wish.kind, usual_criterion(wish.kind, smoothing=settings.regularisation.smoothing or 0.0))


def _taught(train: Pictures, lesson: Lesson | None) -> Pictures:
    """Return the pictures with what is learned of them."""
    return train if lesson is None else Pictures(train.pixels, lesson.targets)


def _learning(assembly: Assembly, lesson: Lesson | None) -> AbstractContextManager[None]:
    """Return the block in which the network learns, with what its lesson has learn beside it."""
    return nullcontext() if lesson is None else lesson.beside(assembly.made.network, assembly.made.classifier)


def _with_rate(
    assembly: Assembly, train: Pictures, *, settings: Training, wish: Making, kept: PlanFile
) -> tuple[Training, RateSearch | None]:
    """Return the settings, with a learning rate that was found where that is wished."""
    if not wish.finds_rate:
        return settings, None
    network = assembly.made.network
    with _learning(assembly, wish.lesson):
        return with_found_rate(
            network,
            assembly.batches(_taught(train, wish.lesson), settings=settings),
            settings=settings,
            kept=kept,
            kind=wish.kind,
            criterion=None if wish.lesson is None else wish.lesson.criterion,
            groups=_optimizers(network, settings, n_pictures=len(train.labels)),
        )


def _optimizers(network: nn.Module, settings: Training, *, n_pictures: int) -> Optimizers | None:
    """Return the fast recipe's own optimisers where its Muon is asked for, else None: the usual ones."""
    optimisation, batch_size = settings.optimisation, settings.looping.batch_size
    if not isinstance(network, Fast) or optimisation.optimizer != "muon":
        return None
    return fast_optimizers(
        network,
        lr=optimisation.lr or FILTERS_LR,
        momentum=optimisation.momentum,
        batch_size=min(batch_size or n_pictures, n_pictures),
    )


def _scored_rows(n: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return evenly spread row numbers, `_N_SCORED` at most."""
    return np.unique(np.linspace(0, n - 1, _N_SCORED).astype(np.int64))


def _sentences(
    net: str, assembly: Assembly, *, plan: Plan, wish: Making, n_pictures: int, search: RateSearch | None
) -> tuple[str, ...]:
    """Return the plan in plain sentences."""
    layers = _layers_in_words(net, wish)
    n_weights = sum(weight.numel() for weight in assembly.made.network.parameters() if weight.requires_grad)
    size_px = assembly.made.card.size_px
    return (
        f"From scratch: {Path(net).name} with {n_weights:,} weights, on {n_pictures:,} pictures of {size_px} x {size_px} px, "
        f"{'grey' if assembly.is_grey else 'in colour'}; augmentation {assembly.augmentation.describe()}{layers}.",
        describe_settings(
            plan.settings,
            n_pictures=n_pictures,
            kind=wish.kind,
            has_own_muon=isinstance(assembly.made.network, Fast),
        ),
        *(() if search is None else (search.describe(),)),
        f"Forecast: {plan.seconds:.0f} s, {describe_bytes(plan.n_bytes)} of memory{_of_part(plan)}.",
    )


def _of_part(plan: Plan) -> str:
    return "" if plan.share == 1 else f"; the budget ends the last epoch at some {percent(plan.share, 0)}"


def _layers_in_words(net: str, wish: Making) -> str:
    """Return the options of the layers: of networks of our own all that count, of others what was given."""
    classic = find_classic(net)
    usual = {} if classic is None else {**options_of(classic), "init": classic.init, "dropout": None}
    told = {name: one for name, one in {**usual, **wish.options}.items() if one and name != "views"}
    words = [
        f"{name} {','.join(map(str, one)) if isinstance(one, tuple | list) else one}"
        for name, one in told.items()
    ]
    return f"; {', '.join(words)}" if words else ""
