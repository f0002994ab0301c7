"""CIFAR-10's and CIFAR-100's python batches as rows: `data_batch_1#0`, its class named by the batches' meta file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest.packs import PixelPack, Wish
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.unpickle import ACCEPTED, read_batch
from fovea.wording import count, did_you_mean, some

_LABELS = {"labels": "label_names", "fine_labels": "fine_label_names", "coarse_labels": "coarse_label_names"}
_METAS = ("batches.meta", "meta")
NAMES = re.compile(r"data_batch_\d+|test_batch|batches\.meta|train|test|meta|file\.txt~?")
"""What the files of the two sets are called."""
_TEN = re.compile(r"data_batch_\d+|test_batch")
_HUNDRED = frozenset({"train", "test"})
_SIDE_PX = 32


def find_batches(names: Sequence[str]) -> list[str]:
    """Return those of a folder's file names that are CIFAR's batches, by the names that they come with."""
    ten = [name for name in names if _TEN.fullmatch(name)]
    return sorted(ten) or sorted(_HUNDRED & {*names} if "meta" in names else ())


def read_batches(root: Path, *, files: Sequence[Path], wish: Wish) -> Manifest:
    """Return a row for every picture in batches below `root`: test batches are the test split.

    `wish.label_by` chooses among kinds of labels: CIFAR-100 has fine_labels (the default) and coarse_labels.

    Raises:
        InputError: a file is cut, damaged, no batch, or a pickle that holds anything else; an unknown kind of labels.
    """
    names: Mapping[str, Any] = next(
        (read_batch(meta) for name in _METAS if (meta := files[0].with_name(name)).is_file()), {}
    )
    rows: list[Row] = []
    packs = {}
    notes: dict[str, None] = {}
    for file in files:
        place = file.relative_to(root).as_posix()
        batch = read_batch(file)
        packs[place] = PixelPack(_pixels(file, batch))
        n_pictures = len(packs[place].pixels)
        labels: Sequence[str | None] = [None] * n_pictures
        if wish.labelled:
            key = _key(file, batch, label_by=wish.label_by)
            labels = _class_names(file, batch, key=key, names=names)
            others = sorted(other for other in _LABELS if other in batch and other != key)
            notes |= dict.fromkeys(_notes(key, others=others, chosen=wish.label_by, names=names))
        if len(labels) != n_pictures:
            raise InputError(
                f"{str(file)!r} holds {count(n_pictures, 'picture')} and {count(len(labels), 'label')}. Download it again."
            )
        split = "" if not wish.labelled else "test" if file.name.startswith("test") else "train"
        rows += [Row(f"{place}#{k}", label, split) for k, label in enumerate(labels)]
    return Manifest(root, tuple(rows), tuple(notes), packs=packs)


def _pixels(file: Path, batch: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the pictures as planes (n, 3, 32, 32)."""
    data = batch.get("data")
    if not isinstance(data, np.ndarray):
        raise InputError(
            f"{str(file)!r} is no batch of CIFAR's: its dictionary has no array 'data', only {some(batch)}. "
            f"{ACCEPTED}"
        )
    if data.ndim != 2 or data.shape[1] != 3 * _SIDE_PX**2:
        shape = " x ".join(f"{n:,}" for n in data.shape)
        raise InputError(
            f"{str(file)!r} is no batch of CIFAR's: its array 'data' is {shape}, where rows of 3,072 bytes (32 x 32 pixels "
            "in three colours) are needed."
        )
    return data.reshape(-1, 3, _SIDE_PX, _SIDE_PX)


def _key(file: Path, batch: Mapping[str, Any], *, label_by: str | None) -> str:
    """Return which of the batch's kinds of labels is meant."""
    kinds = [key for key in _LABELS if key in batch]
    if not kinds:
        raise InputError(
            f"{str(file)!r} is a batch without labels: its dictionary has {some(batch)}, and none of {some(_LABELS)}."
        )
    if label_by is None:
        return kinds[0]
    if label_by not in kinds:
        raise InputError(
            f"--label-by names {label_by!r}, which {str(file)!r} does not have{did_you_mean(label_by, kinds)}. Its kinds "
            f"of labels: {some(kinds)}."
        )
    return label_by


def _class_names(file: Path, batch: Mapping[str, Any], *, key: str, names: Mapping[str, Any]) -> list[str]:
    """Return the class's name for every picture; its number where no meta file names the classes."""
    found = batch[key]
    numbers = found.tolist() if isinstance(found, np.ndarray) else found
    known = names.get(_LABELS[key])
    if not isinstance(numbers, list) or not all(
        isinstance(number, int) and number >= 0 for number in numbers
    ):
        raise InputError(
            f"{str(file)!r}: its {key!r} are no list of whole numbers from 0. Download it again."
        )
    if not isinstance(known, list):
        return [str(number) for number in numbers]
    most = max(numbers, default=0)
    if most >= len(known):
        raise InputError(
            f"{str(file)!r} has the label {most}, and its meta file names {count(len(known), 'class', 'classes')} (from 0): "
            "they do not belong together. Download both again."
        )
    return [str(known[number]) for number in numbers]


def _notes(key: str, *, others: Sequence[str], chosen: str | None, names: Mapping[str, Any]) -> list[str]:
    notes = []
    if others and chosen is None:
        notes.append(f"The classes are its {key}; for others: --label-by {others[0]}.")
    if _LABELS[key] not in names:
        notes.append("The classes are called by their numbers: there is no meta file that names them.")
    return notes
