"""Any module on any loaders, trained by the loop that everything here is trained by; with an optimiser of the user's own."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fovea.errors import InputError
from fovea.learn.augment import normalise
from fovea.learn.loading import Entry, Finish, Loader, Loaders, TransformedPictures
from fovea.learn.pixels import Pixels
from fovea.learn.trained import OnEpoch, Trained, teller, unwatched
from fovea.learn.training import (
    Batch,
    History,
    RateSearch,
    Score,
    Training,
    overridden,
    train_network,
    with_found_rate,
)
from fovea.learn.training.described import describe_settings
from fovea.learn.training.optimisers import Optimizers
from fovea.learn.training.planned import PlanFile, job_of
from fovea.learn.training.scoring import score
from fovea.learn.training.seeds import seed_of
from fovea.learn.training.settings import USUAL_EPOCHS
from fovea.nets import WeightsCard
from fovea.progress import Progress, silent, unheard
from fovea.wording import count

Scheduler: TypeAlias = torch.optim.lr_scheduler.LRScheduler
_OTHERS = ("batch_size", "dropout", "drop_path", "balance", "augment")  # settings that the loop does not read
_FIND = "find"
_AUXILIARY = "auxiliary outputs (torchvision's inception_v3 and googlenet: aux_logits=False)"
_OF_OPTIMIZER = ("lr", "momentum", "weight_decay")
_OF_SCHEDULER = ("schedule", "warmup", "step_size", "gamma")
_BY_BATCH = (
    torch.optim.lr_scheduler.OneCycleLR,
    torch.optim.lr_scheduler.CyclicLR,
)  # torch counts their batches


@dataclass(frozen=True, slots=True)
class Fitted:
    """A module trained in place, with its best weights, how that went, and its answers float32 (m, k) to validation pictures.

    `settings` are what it was trained with: an optimiser and a scheduler of the user's by the names of their classes; `plan` says
    them in sentences. `rate_search` is how the learning rate was found, where it was. `run` is what was written, where a folder
    was given.
    """

    module: nn.Module
    history: History
    valid_logits: "NDArray[Any]"
    settings: Training
    plan: tuple[str, ...] = ()
    rate_search: RateSearch | None = None
    run: Any = None


def fit_module(
    module: nn.Module,
    loaders: Mapping[str, Loader],
    *,
    optimizer: torch.optim.Optimizer | str,
    scheduler: Scheduler | str | None,
    given: Mapping[str, Any],
    checkpoint: Path | None = None,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    on_epoch: OnEpoch = unwatched,
) -> Fitted:
    """Train `module` in place on loaders["train"]; the weights that answer loaders["val"] best stay: see `is_as_good`.

    `given` are settings of `learn.training` by their names, but `compute` for precision. See `fovea.fit`.
    """
    settings, optimizers = _choose(optimizer, scheduler, given)
    valid, batches = loaders["val"], LoaderBatches(loaders["train"], seed=settings.looping.seed)
    _require_steps(scheduler, epochs=settings.looping.epochs or USUAL_EPOCHS, n_batches=batches.n_batches)
    _require_fit(module, valid)
    # What a scheduler of the user's remembers stands in no checkpoint.
    checkpoint = checkpoint if isinstance(optimizer, str) else None
    search, looping = None, settings.looping
    if given.get("lr") == _FIND:
        kept = None
        if checkpoint is not None:
            shapes = [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
            job = job_of(settings, str(module), shapes, batches.fingerprint)
            kept = PlanFile(checkpoint.with_name("plan.json"), job)
        settings, search = with_found_rate(module, batches, settings=settings, kept=kept)
    batch_size = loaders["train"].batch_size or math.ceil(batches.n_pictures / batches.n_batches)
    told = _told(replace(settings, looping=looping), optimizer, scheduler, batch_size=batch_size)
    plan = (
        *([describe_settings(told, n_pictures=batches.n_pictures)] if isinstance(optimizer, str) else []),
        *([] if search is None else [search.describe()]),
    )
    for sentence in plan:
        announce(sentence)

    def evaluate(network: nn.Module) -> Score:
        logits, labels = answer_loader(network, valid)
        return score(logits, labels)

    history = train_network(
        module,
        batches,
        settings=settings,
        groups=optimizers,
        evaluate=evaluate,
        checkpoint=checkpoint,
        progress=progress,
        on_epoch=teller(announce, on_epoch, settings=told),
    )
    logits, _ = answer_loader(module, valid)
    return Fitted(module, history, logits, told, plan=plan, rate_search=search)


def misread(loaders: Loaders, pixels: Pixels) -> float:
    """Return how far input by a transform of the user's lies from what `loaders.entry` makes of the same pictures.

    The mean difference over the deviation of the former, of the first validation pictures, whose pixels uint8 (n, h, w, 3) are
    given as the entry reads them; 0 where the loaders make their own.
    """
    data, entry = cast("Any", loaders.valid.dataset), loaders.entry
    if entry is None or not isinstance(data, TransformedPictures):
        return 0.0
    own = normalise(entry.mean, entry.std)(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2))
    theirs = torch.stack([torch.as_tensor(data[number][0]) for number in range(len(pixels))])
    if own.shape != theirs.shape:
        return math.inf
    return float((own - theirs).abs().mean() / theirs.std().clamp_min(1e-6))


def describe(fitted: Fitted, entry: Entry, *, class_names: Sequence[str]) -> Trained:
    """Return the trained module as what is exported: on the processor, its last linear layer found, its input described."""
    module, k = fitted.module.cpu(), len(class_names)
    linear = [
        name for name, one in module.named_modules() if isinstance(one, nn.Linear) and one.out_features == k
    ]
    preprocess = entry.preprocess
    card = WeightsCard(
        library="own",
        architecture=type(module).__name__,
        size_px=preprocess.height_px,
        mean=entry.mean,
        std=entry.std,
        crop=preprocess.crop,
        class_names=tuple(class_names),
    )
    classifier = linear[-1] if linear and linear[-1] else ""
    return Trained(
        module,
        card,
        classifier,
        fitted.history,
        fitted.valid_logits,
        settings=fitted.settings,
        plan=fitted.plan,
        rate_search=fitted.rate_search,
    )


class LoaderBatches:
    """A DataLoader as the training loop takes batches: what it draws is seeded by (seed, epoch)."""

    def __init__(self, loader: Loader, *, seed: int) -> None:
        self.loader, self.seed = loader, seed
        self.n_pictures, self.n_batches = len(cast("Any", loader.dataset)), len(loader)
        targets = repr(getattr(loader.dataset, "targets", ""))
        self.fingerprint = hashlib.sha256(f"{targets} {loader.batch_size} {seed}".encode()).hexdigest()

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (from 0), the first `start` left out."""
        place = seed_of(self.seed, "loader", number)
        if self.loader.generator is not None:
            self.loader.generator.manual_seed(place)
        if isinstance(self.loader.collate_fn, Finish):
            self.loader.collate_fn.reseed(place)
        batches: Iterator[tuple[Any, Tensor]] | None = None
        for i in range(self.n_batches):
            with torch.random.fork_rng(devices=[]):  # a user's transforms draw from torch's own generator
                torch.default_generator.manual_seed(seed_of(place, i))
                batches = iter(self.loader) if batches is None else batches
                x, y = next(batches)
            if i >= start:
                yield Batch(x, y)


class _OwnPace(Optimizers):
    """An optimiser whose rates are its owner's alone, with the scheduler that sets them after every epoch, or batch."""

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: Scheduler | None) -> None:
        super().__init__([optimizer])
        self._scheduler = scheduler

    def set_rate(self, factor: float) -> None:
        """Leave the rates alone."""

    def step(self, scaler: "torch.amp.GradScaler") -> None:
        """Move all weights once, and let a scheduler that counts batches set the next one's rates."""
        super().step(scaler)
        if isinstance(self._scheduler, _BY_BATCH):
            self._scheduler.step()

    def end_epoch(self, valid_loss: float | None) -> None:
        """Let the scheduler set the next epoch's rates."""
        if isinstance(self._scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self._scheduler.step(cast("float", valid_loss))
        elif self._scheduler is not None and not isinstance(self._scheduler, _BY_BATCH):
            self._scheduler.step()


@torch.no_grad()
def answer_loader(network: nn.Module, loader: Loader) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    """Return logits float32 (m, k) and class numbers int64 (m,) of a loader's pictures; the network in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    pairs = [(network(x.to(device)).float().cpu(), y) for x, y in loader]
    return torch.cat([logits for logits, _ in pairs]).numpy(), torch.cat([y for _, y in pairs]).numpy()


def _choose(
    optimizer: torch.optim.Optimizer | str, scheduler: Scheduler | str | None, given: Mapping[str, Any]
) -> tuple[Training, Optimizers | None]:
    """Return the settings, and the optimiser where it is the user's own."""
    told: dict[str, Any] = dict(given)
    _check_told(optimizer, scheduler, told)
    if told.get("lr") == _FIND:
        del told["lr"]
    if "compute" in told:
        told["precision"] = told.pop("compute")
    if isinstance(scheduler, str):
        told["schedule"] = scheduler
    if isinstance(optimizer, str):
        if scheduler is not None and not isinstance(scheduler, str):
            raise InputError(
                f"A scheduler of your own moves the rates of an optimizer of your own, and optimizer is {optimizer!r}. Give the "
                "optimizer that it was made for, or a scheduler's name, such as scheduler='step'."
            )
        return overridden(Training(), {"optimizer": optimizer, **told}), None
    for number, group in enumerate(optimizer.param_groups):
        group.setdefault("base_lr", group["lr"])
        group.setdefault("name", f"group {number}")
    # A loop of one's own shortens no gradients; nor does this, unless asked to.
    settings = overridden(Training(), {"clip": None, **told})
    if isinstance(scheduler, str):
        return settings, Optimizers([optimizer])
    return settings, _OwnPace(optimizer, scheduler)


def _told(
    settings: Training,
    optimizer: torch.optim.Optimizer | str,
    scheduler: Scheduler | str | None,
    *,
    batch_size: int,
) -> Training:
    """Return the settings as they are told: what an optimiser and a scheduler of the user's own do stands in none of ours."""
    epochs = settings.looping.epochs or USUAL_EPOCHS
    settings = replace(settings, looping=replace(settings.looping, epochs=epochs, batch_size=batch_size))
    if isinstance(optimizer, str):
        return settings
    has_own, usual = isinstance(scheduler, Scheduler), optimizer.defaults
    schedule = type(scheduler).__name__ if has_own else scheduler or "constant"
    optimisation = replace(
        settings.optimisation,
        optimizer=type(optimizer).__name__,
        lr=None if has_own else max(group["base_lr"] for group in optimizer.param_groups),
        momentum=float(usual.get("momentum", 0.0)),
        weight_decay=float(usual.get("weight_decay", 0.0)),
        schedule=cast("str", schedule),
        warmup=settings.optimisation.warmup if isinstance(scheduler, str) else 0.0,
    )
    return replace(settings, optimisation=optimisation)


def _check_told(optimizer: Any, scheduler: Any, told: Mapping[str, Any]) -> None:
    """Raise InputError for an optimiser or a scheduler that is none, and for settings that nothing would read."""
    if isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer):
        name = optimizer.__name__
        raise InputError(
            f"The optimizer is the class {name}, which knows no weights yet. Make one for the module's, such as "
            f"torch.optim.{name}(module.parameters(), lr=0.001), or give a name, such as optimizer='adamw'."
        )
    for what, given, kind, example in (
        ("optimizer", optimizer, torch.optim.Optimizer, "adamw"),
        ("scheduler", scheduler, Scheduler | None, "cosine"),
    ):
        if not isinstance(given, str | kind):
            raise InputError(
                f"The {what} is {given!r}. Give one of torch's that was made for this module, or a name, such as "
                f"{what}={example!r}."
            )
    if "precision" in told:
        raise InputError(
            f"precision is {told['precision']!r}, and fit takes none. What it computes in is named compute: 'auto', 'f32', 'bf16' "
            "or 'f16'. A share of right ones is promised by the run: fovea sort RUN PHOTOS --into FOLDER --precision 0.98."
        )
    unread = [name for name in _OTHERS if name in told]
    if unread:
        raise InputError(
            f"fit leaves {', '.join(unread)} to the module and the loaders it is given: build them so, and leave it out here."
        )
    own = (
        () if isinstance(optimizer, str) else _OF_OPTIMIZER + _OF_SCHEDULER * (not isinstance(scheduler, str))
    )
    unread = [name for name in own if name in told]
    if unread:
        raise InputError(
            f"{', '.join(unread)}: these are set where an optimizer and a scheduler of your own are made. Set them there, or give "
            "names, such as optimizer='sgd', scheduler='cosine'."
        )
    lr = told.get("lr")
    if isinstance(lr, str) and lr != _FIND:
        raise InputError(
            f"The learning rate lr is {lr!r}. Give a number, such as lr=0.001, or lr='find', which finds one."
        )


def _require_steps(scheduler: Scheduler | str | None, *, epochs: int, n_batches: int) -> None:
    """Raise InputError where torch's one-cycle would end before the training does."""
    total = getattr(scheduler, "total_steps", None) if isinstance(scheduler, _BY_BATCH) else None
    if total is not None and total < epochs * n_batches:
        raise InputError(
            f"The scheduler OneCycleLR was made for {total:,} steps, and {count(epochs, 'epoch')} of "
            f"{count(n_batches, 'batch', 'batches')} are {epochs * n_batches:,}. Make it with epochs={epochs}, "
            "steps_per_epoch=len(loaders['train'])."
        )


def _require_fit(module: nn.Module, valid: Loader) -> None:
    """Raise InputError where the module does not answer one tensor with a number for each class; it is left as it was."""
    n_classes = len(getattr(valid.dataset, "classes", ()))
    device = next(module.parameters()).device
    with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        x, _ = next(iter(valid))
        x = x[:1].to(device)
        answers = _answer_in(module, x, training=False)
        two = x.repeat(2, *[1] * (x.ndim - 1))  # of one picture a batch norm may have no spread
        try:
            learned = _answer_in(module, two, training=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"The module answers in evaluation mode and fails in training mode ({reason}). Build it without {_AUXILIARY}, or "
                "give it larger pictures."
            ) from error
    for mode, given in (("evaluation", answers), ("training", learned)):
        if not isinstance(given, Tensor):
            raise InputError(
                f"The module answers with {type(given).__name__} in {mode} mode, and fit needs one tensor: (n, k), k the number of "
                f"classes. Build it without {_AUXILIARY}, or put it into a module that returns the first output alone."
            )
    if n_classes and tuple(answers.shape) != (1, n_classes):
        raise InputError(
            f"The module answers {tuple(answers.shape)} to one picture, and there are {n_classes} classes: it must answer "
            f"(1, {n_classes}). Replace its last layer by a nn.Linear with {n_classes} outputs."
        )


def _answer_in(module: nn.Module, x: Tensor, *, training: bool) -> Any:
    """Return what the module answers in a mode; its own modes and its statistics stay."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.train(training)
    statistics = {name: buffer.clone() for name, buffer in module.named_buffers()} if training else {}
    try:
        return module(x)
    finally:
        for layer, mode in modes:
            layer.training = mode
        for name, before in statistics.items():
            module.get_buffer(name).copy_(before)
