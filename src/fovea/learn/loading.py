"""Pictures for a training loop of torch's own style: data sets and loaders of training and validation pictures.

With a transform of the user's every access decodes the whole picture; without one all lie ready at one size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from fovea.errors import InputError, PictureError
from fovea.features import Preprocess
from fovea.learn.augment import Augmentation, Normalise
from fovea.learn.pixels import Pixels
from fovea.manifest import Manifest, Row, SplitPlan
from fovea.pictures import decode

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PHASES = ("train", "val")
_TO_UNIT = ("ToTensor", "ToDtype", "ConvertImageDtype")  # steps that make numbers from 0 to 1
_TO_TENSOR = (*_TO_UNIT, "PILToTensor", "ToImage")
Numbers = NDArray[np.int64]
Transform = Callable[[Any], Any]
Loader = DataLoader[tuple[Any, Tensor]]


@dataclass(frozen=True, slots=True)
class Entry:
    """How pictures enter a network: their size, and the mean and deviation of RGB values from 0 to 1."""

    preprocess: Preprocess
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


@dataclass(frozen=True, slots=True)
class Loaders:
    """Training and validation pictures, loaded in batches of (pictures, class numbers).

    `loaders["train"]` and `loaders["val"]`, `dataset_sizes` and `class_names` are what the training loop of PyTorch's
    transfer-learning tutorial asks for. `manifest` has the side of every picture and why some are left out. `entry` is None
    where nobody but the transform knows what it does to validation pictures. `read_as` is how the labels of `source` were
    read, by the names of `fovea train`'s options.
    """

    train: Loader
    valid: Loader
    class_names: tuple[str, ...]
    source: Path
    plan: SplitPlan
    entry: Entry | None = None
    read_as: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, phase: str) -> Loader:
        """Return the loader of "train" or "val" ("valid" will do)."""
        return {"train": self.train, "val": self.valid, "valid": self.valid}[phase]

    def keys(self) -> tuple[str, ...]:
        """Name the phases, so that `dict(loaders)` holds both."""
        return PHASES

    def __iter__(self) -> Iterator[str]:
        return iter(PHASES)

    @property
    def manifest(self) -> Manifest:
        """Every picture with its side, or its problem."""
        return self.plan.manifest

    @property
    def dataset_sizes(self) -> dict[str, int]:
        """How many pictures each phase has."""
        return {phase: len(self[phase].dataset) for phase in PHASES}  # type: ignore[arg-type]


def pair_of(loaders: Any) -> dict[str, Loader]:
    """Return the loaders of "train" and "val" of a mapping, where "valid" will do too, or of a pair. Raises InputError."""
    held: dict[str, Any] = {}
    if hasattr(loaders, "keys"):
        held = dict(loaders)
        held.setdefault("val", held.get("valid"))
    elif isinstance(loaders, tuple | list) and len(loaders) == len(PHASES):
        held = dict(zip(PHASES, loaders, strict=True))
    missing = [phase for phase in PHASES if held.get(phase) is None]
    if missing:
        there = ", ".join(repr(phase) for phase, one in held.items() if one is not None)
        raise InputError(
            f"fit needs loaders of training and of validation pictures, and {missing[0]!r} is not there (given: "
            f"{there or type(loaders).__name__}). Give those of fovea.torch.loaders, a mapping with 'train' and 'val', or a pair: "
            "(train, valid)."
        )
    for phase in PHASES:
        if not isinstance(held[phase], DataLoader):
            raise InputError(
                f"The loader of {phase!r} is a {type(held[phase]).__name__}, and torch's DataLoader is needed: "
                f"torch.utils.data.DataLoader(pictures, batch_size=32, shuffle={phase == 'train'})."
            )
    return {phase: held[phase] for phase in PHASES}


def entry_of(transform: Any) -> Entry | None:
    """Return what torchvision's usual chain does: Resize, CenterCrop, ToTensor, Normalize. None for any other transform.

    `ToDtype` leaves bytes from 0 to 255 as they are unless it is told to scale them; what then normalises is for such numbers.
    """
    steps = {type(one).__name__: one for one in getattr(transform, "transforms", ())}
    order = [name for name in steps if name not in _TO_TENSOR]
    normalise = steps.get("Normalize")
    mean, std = (
        tuple(getattr(normalise, kind, usual)) for kind, usual in (("mean", (0,) * 3), ("std", (1,) * 3))
    )
    wide = [] if normalise is None else ["Normalize"]
    unit = _unit_of(steps)
    if len(mean) != 3 or len(std) != 3 or unit is None:
        return None
    mean, std = (tuple(unit * value for value in values) for values in (mean, std))
    sides = _sides(steps.get("Resize")), _sides(steps.get("CenterCrop"))
    if order == ["Resize", "CenterCrop", *wide] and len(sides[0]) == 1:
        height_px, width_px = sides[1] * (3 - len(sides[1]))
        if height_px == width_px <= sides[0][0]:
            return Entry(
                Preprocess(height_px, width_px, "crop", height_px / sides[0][0]), _three(mean), _three(std)
            )
    if order == ["Resize", *wide] and len(sides[0]) == 2:
        return Entry(Preprocess(*sides[0], "squash"), _three(mean), _three(std))
    return None


def _unit_of(steps: Mapping[str, Any]) -> float | None:
    """Return which of the values from 0 to 1 a chain turns into 1.0; None where it leaves bytes."""
    if any(name in steps for name in _TO_UNIT if name != "ToDtype") or getattr(
        steps.get("ToDtype"), "scale", False
    ):
        return 1.0
    dtype = getattr(steps.get("ToDtype"), "dtype", None)
    return 1 / 255 if isinstance(dtype, torch.dtype) and dtype.is_floating_point else None


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _sides(step: Any) -> tuple[int, ...]:
    """Return the sizes that a step of torchvision's names: one (of the shorter side) or two (height and width)."""
    size = getattr(step, "size", ())
    return (size,) if isinstance(size, int) else tuple(size)


class TransformedPictures:
    """A data set of (transform(picture), class number); the transform gets an upright RGB picture of PIL's.

    `classes`, `class_to_idx` and `targets` are as torchvision's ImageFolder has them.
    """

    def __init__(
        self, manifest: Manifest, rows: Sequence[Row], *, class_names: Sequence[str], transform: Transform
    ) -> None:
        self.manifest, self.rows, self.transform = manifest, tuple(rows), transform
        self.classes = list(class_names)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.targets = [self.class_to_idx[row.label or ""] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        """Return picture `number` transformed, and its class. Raises PictureError where it can no longer be read."""
        from PIL import Image

        row = self.rows[number]
        try:
            pixels = decode(self.manifest.read(row)).pixels
        except (OSError, PictureError) as error:
            raise PictureError(f"{row.path!r} can no longer be read: {error}.") from error
        return self.transform(Image.fromarray(pixels)), self.targets[number]


class ReadyPictures:
    """A data set of pictures that lie ready: rows `places` (n,) of uint8 (m, h, w, 3), with class numbers int64 (n,).

    It gives whole batches at once, as bytes; `Finish` makes network input of them.
    """

    def __init__(
        self, pixels: Pixels, places: Numbers, *, labels: Numbers, class_names: Sequence[str]
    ) -> None:
        self.pixels, self.places, self.labels = pixels, places, labels
        self.classes = list(class_names)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.targets = labels.tolist()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        """Return picture `number` as uint8 (3, h, w), and its class."""
        return torch.from_numpy(np.array(self.pixels[self.places[number]])).permute(2, 0, 1), self.targets[
            number
        ]

    def __getitems__(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """Return pictures uint8 (n, 3, h, w) and their classes int64 (n,): what torch's loaders ask for first."""
        batch = np.ascontiguousarray(self.pixels[self.places[numbers]])
        return torch.from_numpy(batch).permute(0, 3, 1, 2), torch.from_numpy(self.labels[numbers])


class Finish:
    """Makes network input of a batch of `ReadyPictures`: augmented, normalised. In a worker it draws by the worker's seed."""

    def __init__(self, augmentation: Augmentation | None, normalise: Normalise, *, seed: int) -> None:
        self.augmentation, self.normalise, self.seed = augmentation, normalise, seed
        self._generator: torch.Generator | None = None

    def __call__(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return float32 (n, 3, h, w) and the class numbers of uint8 (n, 3, h, w) and these."""
        pictures, labels = batch
        if self.augmentation is not None:
            pictures = self.augmentation(pictures, self._get_generator())
        return self.normalise(pictures), labels

    def reseed(self, seed: int) -> None:
        """Draw from the beginning of `seed` from now on."""
        self.seed, self._generator = seed, None

    def _get_generator(self) -> torch.Generator:
        if self._generator is None:
            worker = get_worker_info()
            self._generator = torch.Generator().manual_seed(self.seed if worker is None else worker.seed)
        return self._generator

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_generator": None}  # a generator cannot be sent to another process


def transformed_loaders(
    source: Path,
    plan: SplitPlan,
    *,
    class_names: Sequence[str],
    rows: Mapping[str, Sequence[Row]],
    transforms: Mapping[str, Transform],
    options: Mapping[str, Any],
    seed: int,
) -> Loaders:
    """Return loaders of the rows of "train" and "val", each picture through its side's transform."""
    made = {
        phase: _loader(
            TransformedPictures(
                plan.manifest, rows[phase], class_names=class_names, transform=transforms[phase]
            ),
            phase=phase,
            seed=seed,
            options=options,
        )
        for phase in PHASES
    }
    entry = entry_of(transforms["val"])
    return Loaders(made["train"], made["val"], tuple(class_names), source, plan, entry)


def ready_loaders(
    source: Path,
    plan: SplitPlan,
    *,
    sides: Mapping[str, ReadyPictures],
    augmentation: Augmentation,
    preprocess: Preprocess,
    options: Mapping[str, Any],
    seed: int,
) -> Loaders:
    """Return loaders of pictures that lie ready, normalised as ImageNet's; training pictures are augmented."""
    entry = Entry(preprocess)
    normalise = Normalise(entry.mean, entry.std)
    made = {}
    for phase in PHASES:
        finish = Finish(augmentation if phase == "train" else None, normalise, seed=seed)
        made[phase] = _loader(sides[phase], phase=phase, seed=seed, options={**options, "collate_fn": finish})
    names = tuple(sides["train"].classes)
    return Loaders(made["train"], made["val"], names, source, plan, entry)


def _loader(dataset: Any, *, phase: str, seed: int, options: Mapping[str, Any]) -> Loader:
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, shuffle=phase == "train", generator=generator, **options)
