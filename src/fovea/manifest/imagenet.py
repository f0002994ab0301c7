"""ImageNet as it is unpacked: `train/n01440764/*.JPEG`, and a flat `val/` whose classes a ground-truth file gives.

Read are LOC_val_solution.csv (Kaggle), val.txt (names with WordNet ids or numbers), the 50,000 lines of
ILSVRC2012_validation_ground_truth.txt with the devkit's meta.mat, and lines of WordNet ids in the pictures' order.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fovea.errors import ManifestError
from fovea.manifest.records import read_lines
from fovea.manifest.rows import Manifest, Row
from fovea.pictures import scan_folder
from fovea.wording import count, some

_WNID = re.compile(r"n\d{8}")
_PICTURE = re.compile(r"(?P<stem>ILSVRC20\d\d_val_(?P<number>\d{8}))\.\w+")
_TRUTHS = (
    "LOC_val_solution.csv",
    "val.txt",
    "ILSVRC2012_val.txt",
    "ILSVRC2012_validation_ground_truth.txt",
    "imagenet_2012_validation_synset_labels.txt",
)
_ORDERS = ("LOC_synset_mapping.txt", "synset_words.txt", "synsets.txt", "imagenet_lsvrc_2015_synsets.txt")
_VAL = ("val", "validation", "valid")


def is_imagenet(folder: Path) -> bool:
    """Return whether a folder holds train/WNID folders and a flat folder of validation pictures."""
    data = _data(folder)
    return data is not None and _flat_val(data) is not None


def read_imagenet(root: Path, *, folder: Path) -> Manifest:
    """Return a row for every picture of train and val; classes are WordNet ids.

    Raises:
        ManifestError: there is no ground truth for val, or it is wrong.
    """
    data = _data(folder)
    assert data is not None
    val = _flat_val(data)
    assert val is not None
    train_rows, notes = _train(data / "train", root=root)
    wnids = sorted({row.label or "" for row in train_rows})
    names = sorted(found.relative for found in scan_folder(val).files)
    pictures = {name: match for name in names if (match := _PICTURE.fullmatch(name))}
    truth = _truth(folder, val=val, wnids=wnids)
    before = val.relative_to(root).as_posix()
    rows, missing = [], []
    for name, match in pictures.items():
        wnid = truth.get(match["stem"]) or truth.get(match["number"])
        if wnid is None:
            missing.append(name)
        else:
            rows.append(Row(f"{before}/{name}", wnid, "valid"))
    if missing:
        notes.append(
            f"{count(len(missing), 'picture')} of {val.name} without a line in the ground truth left out: {some(missing)}."
        )
    others = [name for name in names if name not in pictures and not name.lower().endswith((".txt", ".csv"))]
    if others:
        notes.append(
            f"{count(len(others), 'file')} in {val.name} not called like ImageNet's left out: {some(others)}."
        )
    if (data / "test").is_dir():
        notes.append("The folder 'test' is left out: its classes are not published.")
    return Manifest(root, tuple(sorted([*train_rows, *rows], key=lambda row: row.path)), tuple(notes))


def _data(folder: Path) -> Path | None:
    """Return the folder that holds train and val: the folder itself, or where Kaggle's archive has them."""
    places = (folder, folder / "ILSVRC/Data/CLS-LOC", folder / "Data/CLS-LOC")
    return next((place for place in places if _has_wnid_folders(place / "train")), None)


def _has_wnid_folders(train: Path) -> bool:
    """Return whether all folders in `train` are called by WordNet ids."""
    has_one = False
    try:
        with os.scandir(train) as entries:
            for entry in entries:
                if entry.is_dir() and not entry.name.startswith("."):
                    if not _WNID.fullmatch(entry.name):
                        return False
                    has_one = True
    except OSError:
        return False
    return has_one


def _flat_val(data: Path) -> Path | None:
    """Return the folder of validation pictures where it has no class folders."""
    for val in (data / name for name in _VAL):
        try:
            if any(_PICTURE.fullmatch(one.name) for one in val.iterdir()):
                return val
        except OSError:
            continue
    return None


def _train(train: Path, *, root: Path) -> tuple[list[Row], list[str]]:
    before = train.relative_to(root).as_posix()
    rows, loose = [], []
    for found in scan_folder(train).files:
        wnid = found.relative.partition("/")[0]
        if "/" in found.relative:
            rows.append(Row(f"{before}/{found.relative}", wnid, "train"))
        else:
            loose.append(found.relative)
    notes = (
        [f"{count(len(loose), 'file')} beside the class folders of train left out: {some(loose)}."]
        if loose
        else []
    )
    return rows, notes


def _truth(folder: Path, *, val: Path, wnids: Sequence[str]) -> dict[str, str]:
    """Return the WordNet id of each validation picture, by its name without ending or by its eight digits."""
    file = next(_find(folder, val=val, names=_TRUTHS), None)
    if file is None:
        raise ManifestError(
            f"The classes of the pictures in {str(val)!r} are not known: there is no ground truth in {str(folder)!r}. Put one "
            f"of {some(_TRUTHS)} there (the first comes with Kaggle's archive, the fourth with ImageNet's development kit, "
            "together with its meta.mat), or put the pictures into class folders."
        )
    lines = read_lines(file)
    if file.name == _TRUTHS[0]:
        return _solution(file, lines)
    if lines and len(lines[0][1].split()) == 1:
        names = _Names(folder, val=val, wnids=wnids, file=file, counts_from=1)
        return {f"{number:08d}": names.of(line, number=number) for number, line in lines}
    names = _Names(folder, val=val, wnids=wnids, file=file, counts_from=0)
    truth = {}
    for number, line in lines:
        name, _, wnid = line.partition(" ")
        truth[Path(name).stem] = names.of(wnid.strip(), number=number)
    return truth


def _solution(file: Path, lines: Sequence[tuple[int, str]]) -> dict[str, str]:
    truth = {}
    for number, line in lines[1:]:
        stem, _, boxes = line.partition(",")
        wnid = boxes.strip().partition(" ")[0]
        if not _WNID.fullmatch(wnid):
            raise ManifestError(
                f"Line {number} of {str(file)!r} is {line[:60]!r}, without a WordNet id such as n01440764."
            )
        truth[stem] = wnid
    return truth


class _Names:
    """What a line's second word means: a WordNet id, or a number into an order that another file gives."""

    def __init__(
        self, folder: Path, *, val: Path, wnids: Sequence[str], file: Path, counts_from: int
    ) -> None:
        self._folder, self._val, self._wnids, self._file = folder, val, wnids, file
        self._counts_from = counts_from
        self._order: Mapping[int, str] | None = None

    def of(self, word: str, *, number: int) -> str:
        if _WNID.fullmatch(word):
            return word
        if self._order is None:
            self._order = self._devkit() if self._counts_from else self._sorted()
        if not word.isdecimal() or int(word) not in self._order:
            raise ManifestError(
                f"Line {number} of {str(self._file)!r} says {word[:40]!r}, which is neither a WordNet id nor the number of one of "
                f"{count(len(self._order), 'class', 'classes')}."
            )
        return self._order[int(word)]

    def _devkit(self) -> dict[int, str]:
        """Return the WordNet ids by ImageNet's own numbers, from 1, out of the devkit's meta.mat."""
        file = next(_find(self._folder, val=self._val, names=("meta.mat",)), None)
        if file is None:
            raise ManifestError(
                f"{str(self._file)!r} counts classes by ImageNet's own numbers, which only the development kit's meta.mat "
                f"explains; it is not in {str(self._folder)!r}. Put it there (ILSVRC2012_devkit_t12/data/meta.mat)."
            )
        from scipy.io import loadmat

        try:
            synsets = loadmat(file, squeeze_me=True)["synsets"]
            return {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in synsets.ravel()}
        except Exception as error:  # loadmat raises nearly every kind on damaged files
            raise ManifestError(
                f"{str(file)!r} is damaged or not ImageNet's meta.mat. Unpack the development kit again."
            ) from error

    def _sorted(self) -> dict[int, str]:
        """Return the WordNet ids by their place in alphabetical order, from 0: by a list of all, or the train folders."""
        file = next(_find(self._folder, val=self._val, names=_ORDERS), None)
        found = self._wnids
        if file is not None:
            found = [wnid for _, line in read_lines(file) for wnid in _WNID.findall(line)[:1]]
        if file is None and len(found) != 1000:
            raise ManifestError(
                f"{str(self._file)!r} counts classes by their place among ImageNet's 1,000, and train has {len(found):,}, so "
                f"places are not known. Put the list of all ({_ORDERS[1]}) into {str(self._folder)!r}."
            )
        return dict(enumerate(sorted(set(found))))


def _find(folder: Path, *, val: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield files of these names in the folder, beside or in val, or in folders just below, in the order of the names."""
    kit = sorted(one for one in folder.iterdir() if one.is_dir() and one.name not in ("train", *_VAL, "test"))
    places = [folder, val.parent, val, *kit, *(one / "data" for one in kit)]
    for name in names:
        yield from (place / name for place in places if (place / name).is_file())
