"""For your own training loop: pictures as torch's DataLoaders, over the same manifest that `fovea train` reads.

Needs the extra torch, which is imported when a function is called.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.errors import InputError, MissingExtraError
from fovea.features import Preprocess, cache_folder, open_store
from fovea.learn.pixels import try_pixels
from fovea.manifest import Manifest
from fovea.nets import import_torchvision
from fovea.progress import Progress, silent, unheard
from fovea.tasks.fit import Fit, run_fit
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import SourceOptions, configure
from fovea.tasks.several import is_follower
from fovea.tasks.sides import rows_by_side, split_pictures, with_problems, without_damaged
from fovea.tasks.train.read import read_labelled
from fovea.tasks.train.watch import track_folder, watched

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from fovea.learn.fitting import Fitted
    from fovea.learn.loading import Loader, Loaders, Transform
    from fovea.learn.training import EpochRecord, Training

__all__ = ["fit", "loaders"]

N_LOOKED_AT = 2000


def loaders(
    photos: str | Path,
    *,
    transform: "Transform | Mapping[str, Transform] | None" = None,
    batch_size: int = 32,
    num_workers: int = 0,
    size_px: int = 224,
    augment: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
    **settings: Any,
) -> "Loaders":
    """Return training and validation DataLoaders of a folder or table of labelled pictures.

    Given splits are kept; otherwise a fifth of each class is held out, copies and groups on one side. What cannot be read
    is left out: see `loaders.manifest`.

    Args:
        photos: class folders, folders train/valid of them, or a table.
        transform: what makes network input of an upright RGB picture of PIL's, such as torchvision's Compose; a mapping with
            "train" and "val" has one for each. None: float32 (n, 3, size_px, size_px), normalised as ImageNet's, training
            pictures augmented by the batch; all are decoded once and lie ready.
        batch_size: pictures a batch.
        num_workers: processes that load; 0 loads in this one.
        size_px: without a transform, the height and width.
        augment: without a transform, a policy of `fovea augment` or names of operations.
        seed: of the split, the order and the augmentation.
        progress: told how far reading is.
        settings: how labels are read, as of `fovea train`: label_by, group_by, group_pattern, merge, drop, strict.

    Raises:
        InputError: the pictures cannot be trained on, or none can be held out.
        TypeError: a setting that is none of these.
        MissingExtraError: torch is not installed.
    """
    _require_torch()
    transforms = _transforms(transform)
    source = Path(photos)
    manifest = read_labelled(source, configure(SourceOptions, settings))
    with open_store() as store:
        manifest = add_hashes(manifest, store, progress=progress)
        if transforms is not None:
            manifest = without_damaged(manifest, store, progress=progress)
    options = {"batch_size": batch_size, "num_workers": num_workers}
    if transforms is None:
        preprocess = Preprocess(size_px, size_px)
        ready = _ready(
            source,
            manifest,
            preprocess=preprocess,
            augment=augment,
            options=options,
            seed=seed,
            progress=progress,
        )
        return replace(ready, read_as=settings)
    from fovea.learn.loading import transformed_loaders

    plan = split_pictures(manifest, seed=seed)
    names, places = rows_by_side(plan.manifest)
    made = transformed_loaders(
        source,
        plan,
        class_names=names,
        rows={phase: [plan.manifest.rows[k] for k in chosen] for phase, chosen in places.items()},
        transforms=transforms,
        options=options,
        seed=seed,
    )
    return replace(made, read_as=settings)


def fit(
    module: "nn.Module",
    loaders: "Loaders | Mapping[str, Loader] | tuple[Loader, Loader]",
    *,
    optimizer: "Optimizer | str" = "adamw",
    scheduler: "LRScheduler | str | None" = None,
    epochs: int = 10,
    out: str | Path | None = None,
    track: str | Sequence[str] = (),
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    on_epoch: "Callable[[EpochRecord], None] | None" = None,
    **settings: Any,
) -> "Fitted":
    """Train any module of torch's in place, with the loop that `fovea train` uses; its best weights stay in it.

    Args:
        module: takes what the loaders give and answers one tensor (n, k), k the number of classes, also while it learns.
        loaders: those of `loaders`, any mapping with DataLoaders "train" and "val", or a pair of them (train, valid).
        optimizer: torch's, made for the module's weights, or a name, such as "sgd" or "adamw".
        scheduler: one of torch's for that optimizer, which steps after every epoch (OneCycleLR and CyclicLR after every batch),
            or a name: "constant", "step", "cosine", "one-cycle". None: "cosine" for an optimizer by name; an optimizer of your
            own keeps its rates.
        epochs: how often every picture is seen.
        out: a folder for the run: report, figures, and the module as a model that predicts without torch. A run that was
            stopped goes on where it was if the same call is made with an optimizer by name. Of several processes (torchrun)
            the first writes it, and the others end here.
        track: trackers that are told every epoch, in the folder OUT.track beside the run: tensorboard, wandb, mlflow.
        progress: told ("training", steps done, of), behind a colon what is known of the epoch that runs.
        announce: told the settings in a sentence, and every epoch in a line; print, for example.
        on_epoch: told every epoch's record. In a notebook the curves are drawn anew then.
        settings: any other of `fovea train`, with underscores: lr (a number, or "find"), weight_decay, clip, smoothing, mixup,
            cutmix, ema, patience, seed, seconds, device, compute ("auto", "f32", "bf16" or "f16"; with `out`, "f32" is also what
            the saved model computes in), compile.

    Raises:
        InputError: a setting that cannot be used, or is the loaders' or the module's (batch_size, augment, dropout), or an
            optimizer's of your own (lr); no loader of training or of validation pictures; a module that answers another number
            of classes, or several tensors; or with `out` loaders whose validation transform is not a chain of Resize,
            CenterCrop, ToTensor and Normalize.
        OutputError: something is at `out` already, or it cannot be written.
        BackboneError: with `out`, a module that the runtime cannot take over.
        MissingExtraError: torch, or what a tracker needs, is not installed.
    """
    _require_torch()
    from fovea.learn.fitting import fit_module
    from fovea.learn.loading import Loaders, pair_of

    pair, announce = pair_of(loaders), unheard if is_follower() else announce
    trackers = (track,) if isinstance(track, str) else tuple(track)
    _require_tracking(trackers, out)
    folder = Path() if out is None else track_folder(Path(out))

    def train(*, progress: Progress, checkpoint: Path | None = None) -> "Fitted":
        with watched(type(module).__name__, trackers=trackers, folder=folder, announce=announce) as tell:

            def told(record: "EpochRecord", in_use: "Training") -> None:
                tell(record, in_use)
                if on_epoch is not None:
                    on_epoch(record)

            return fit_module(
                module,
                pair,
                optimizer=optimizer,
                scheduler=scheduler,
                given={"epochs": epochs, **settings},
                checkpoint=checkpoint,
                progress=progress,
                announce=announce,
                on_epoch=told,
            )

    if out is None:
        return train(progress=progress)
    if not isinstance(loaders, Loaders) or loaders.entry is None:
        raise InputError(
            f"fit cannot write a run into {str(out)!r}: nobody knows how pictures enter the module. Use fovea.torch.loaders "
            "without a transform, or with one for 'val' that is Resize, CenterCrop, ToTensor and Normalize; or leave out out=."
        )
    return run_fit(
        Fit(module, loaders, train), out=Path(out), seed=settings.get("seed", 0), progress=progress
    )


def _require_tracking(trackers: Sequence[str], out: str | Path | None) -> None:
    """Raise InputError and MissingExtraError where trackers cannot be told, or have no place to write in."""
    if not trackers:
        return
    from fovea.learn.training import require_trackers

    require_trackers(trackers)
    if out is None:
        raise InputError(
            f"track is {', '.join(map(repr, trackers))}: every epoch is logged beside the run, in OUT.track. Give out= too."
        )


def _ready(
    source: Path,
    manifest: Manifest,
    *,
    preprocess: Preprocess,
    augment: str,
    options: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> "Loaders":
    """Read all pictures at one size, then split what could be read."""
    from fovea.learn.augment import suit_augmentation
    from fovea.learn.loading import ReadyPictures, ready_loaders

    wanted = [k for k, row in enumerate(manifest.rows) if not row.problem and row.split != "test"]
    read = try_pixels(
        [partial(manifest.read, manifest.rows[k]) for k in wanted],
        preprocess=preprocess,
        folder=cache_folder() / "pixels",
        progress=progress,
    )
    problems = {k: problem for k, problem in zip(wanted, read.problems, strict=True) if problem}
    plan = split_pictures(with_problems(manifest, problems), seed=seed)
    names, places = rows_by_side(plan.manifest)
    place = {k: at for at, k in enumerate(wanted)}
    sides = {
        phase: ReadyPictures(
            read.pixels,
            np.array([place[k] for k in chosen], np.int64),
            labels=np.array([names.index(manifest.rows[k].label or "") for k in chosen], np.int64),
            class_names=names,
        )
        for phase, chosen in places.items()
    }
    train = sides["train"]
    looked_at = np.random.default_rng(seed).permutation(len(train))[:N_LOOKED_AT]
    augmentation = suit_augmentation(
        augment,
        read.pixels[train.places[looked_at]],
        train.labels[looked_at],
        n_pictures=len(train),
        seed=seed,
    )
    return ready_loaders(
        source,
        plan,
        sides=sides,
        augmentation=augmentation,
        preprocess=preprocess,
        options=options,
        seed=seed,
    )


def _require_torch() -> None:
    try:
        import_torchvision()
    except ImportError as error:
        raise MissingExtraError(
            'fovea.torch needs torch and torchvision. Install them: pip install "fovea-vision[torch]".'
        ) from error


def _transforms(wish: "Transform | Mapping[str, Transform] | None") -> "Mapping[str, Transform] | None":
    """Return a transform for each side, or None for our own."""
    if wish is None or callable(wish):
        return None if wish is None else {"train": wish, "val": wish}
    missing = [phase for phase in ("train", "val") if phase not in wish]
    if missing:
        raise InputError(
            f"The transforms have no {missing[0]!r}, only {', '.join(map(repr, wish)) or 'nothing'}. Give one transform for "
            "both sides, or a mapping with 'train' and 'val'."
        )
    return {phase: wish[phase] for phase in ("train", "val")}
