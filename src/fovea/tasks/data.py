"""`data`: a well-known data set as a folder that every command takes: built in, or downloaded by torchvision's code."""

import csv
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.progress import Progress, silent

if TYPE_CHECKING:
    from fovea.nets.sets import KnownSet

_FLOWER_SPLITS = {"trnid": "train", "valid": "valid", "tstid": "test"}


@dataclass(frozen=True, slots=True)
class Config:
    """Which data set to write (None: list them), where to (its own name where None), whether a network may be asked."""

    name: str | None = None
    out: Path | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A data set: the room on the disk that writing it needs, its licence, what it holds."""

    name: str
    n_megabytes: int
    licence: str
    what: str


_UNSAID = "not stated"
_LISTED = (
    Listed("digits", 8, "CC BY 4.0", "1,797 handwritten digits, 10 classes; inside this package"),
    Listed("mnist", 12, "CC BY-SA 3.0", "70,000 handwritten digits of 28 px, 10 classes"),
    Listed("fashion-mnist", 31, "MIT", "70,000 pieces of clothing of 28 px, 10 classes"),
    Listed("cifar10", 356, _UNSAID, "60,000 photographs of 32 px, 10 classes"),
    Listed("cifar100", 355, _UNSAID, "60,000 photographs of 32 px, 100 classes in 20 groups"),
    Listed("flowers102", 700, _UNSAID, "8,189 photographs of flowers, 102 classes"),
    Listed("ants-bees", 100, _UNSAID, "397 photographs, 2 classes"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What was written; or, where no data set was named, which ones there are."""

    name: str
    folder: Path | None = None
    n_pictures: int = 0
    sets: tuple[Listed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "name": self.name,
            "folder": None if self.folder is None else str(self.folder),
            "n_pictures": self.n_pictures,
            "sets": [asdict(one) for one in self.sets],
        }

    def _repr_html_(self) -> str:
        from html import escape

        if self.sets:
            return "".join(f"<p>{escape(one.name)}: {escape(one.what)}</p>" for one in self.sets)
        return f"<p>{escape(self.name)}: {self.n_pictures:,} pictures in {escape(str(self.folder))}</p>"


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Write the data set, or list all; the folder is whole or not there.

    Raises:
        InputError: there is no such data set, it may not or cannot be downloaded.
        MissingExtraError: it needs torchvision, which is not there.
        OutputError: the folder is there and not empty, or cannot be written.
    """
    from fovea.manifest import DATA_SETS, write_data_set, write_folder
    from fovea.nets.sets import KNOWN_SETS, describe_set
    from fovea.wording import did_you_mean

    if config.name is None:
        return Result("", sets=_LISTED)
    folder = config.out or Path(config.name)
    if config.name in DATA_SETS:
        return Result(config.name, folder, write_data_set(config.name, folder))
    names = (*DATA_SETS, *KNOWN_SETS)
    if config.name not in names:
        raise InputError(
            f"There is no data set {config.name!r}{did_you_mean(config.name, names)}. There are: {', '.join(names)}."
        )
    known = describe_set(config.name)
    if config.offline:
        raise InputError(
            f"The data set {config.name!r} is downloaded from {known.downloads[0].urls[0]}, and --offline was given. Leave it "
            f"out, or bring the files in another way ({', '.join(one.file for one in known.downloads)}), unpack archives, "
            "and give their folder to `fovea train`."
        )
    n_pictures = write_folder(
        folder,
        partial(_fetch, known, progress=progress),
        what=f"The data set {config.name!r}",
        n_megabytes=next(one.n_megabytes for one in _LISTED if one.name == config.name),
    )
    return Result(config.name, folder, n_pictures)


def _fetch(known: "KnownSet", folder: Path, *, progress: Progress) -> int:
    """Fetch into an empty folder, add what the files do not say, and read it as every command would."""
    from fovea.manifest import read_source
    from fovea.nets.sets import fetch_set

    fetch_set(known, folder, progress=progress)
    if known.name == "fashion-mnist":
        (folder / "classes.txt").write_text("\n".join(known.class_names) + "\n", encoding="utf-8")
    if known.name == "flowers102":
        _write_flowers(folder, class_names=known.class_names)
    return len(read_source(folder).rows)


def _write_flowers(folder: Path, *, class_names: tuple[str, ...]) -> None:
    """Write metadata.csv out of the two MATLAB files, in the form of an image folder."""
    from scipy.io import loadmat

    numbers = loadmat(folder / "imagelabels.mat", squeeze_me=True)["labels"].tolist()
    sides = loadmat(folder / "setid.mat", squeeze_me=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("file_name", "label", "split"))
        for key, split in _FLOWER_SPLITS.items():
            for picture in sides[key].tolist():
                number = numbers[picture - 1]
                label = class_names[number - 1] if class_names else str(number)
                table.writerow((f"jpg/image_{picture:05d}.jpg", label, split))
