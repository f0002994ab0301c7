"""Data sets inside the package, written out as class folders of PNG pictures.

`digits` is the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998, UCI
Machine Learning Repository, doi:10.24432/C50P49), licensed CC BY 4.0. Changes: packed into one file; when
written, grey values 0..16 become 255 (paper) .. 0 (ink) and the 8 x 8 pixels are enlarged.
"""

import gzip
import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import FoveaError, InputError, OutputError
from fovea.wording import did_you_mean

SIDE_PX = 32


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the 1,797 digits: ink (1797, 8, 8) uint8 in 0..16, and which digit each is (1797,)."""
    packed = files("fovea.manifest").joinpath("digits.bin.gz").read_bytes()
    records = np.frombuffer(gzip.decompress(packed), dtype=np.uint8).reshape(-1, 65)
    return records[:, 1:].reshape(-1, 8, 8), records[:, 0].astype(np.int64)


def write_digits(folder: Path) -> int:
    """Write the digits as grey PNG pictures of 32 x 32 px into `folder`/0 .. `folder`/9; return how many.

    Raises:
        OutputError: the folder is there and not empty, or cannot be written. Nothing is ever overwritten.
    """
    return write_folder(folder, _write_digit_files, what="The digits", n_megabytes=8)


def write_folder(folder: Path, write: Callable[[Path], int], *, what: str, n_megabytes: int) -> int:
    """Let `write` fill a folder that is whole or not there: made beside its place and renamed; return what it returns.

    `what` and `n_megabytes` (free space needed) are for the message.

    Raises:
        OutputError: the folder is there and not empty, or cannot be written. Nothing is ever overwritten.
    """
    folder = Path(folder)
    _require_empty(folder)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        n_written = write(partial)
        partial.rename(folder)
    except OSError as error:
        _remove_partial(partial)
        if isinstance(error, FoveaError):
            raise
        where = f" ({str(error.filename)!r})" if error.filename else ""
        raise OutputError(
            f"{what} cannot be written to {str(folder)!r}: {error.strerror or error}{where}. Choose a "
            f"folder that can be written and has about {n_megabytes:,} MB free."
        ) from error
    except BaseException:
        _remove_partial(partial)
        raise
    return n_written


DATA_SETS: Mapping[str, Callable[[Path], int]] = {"digits": write_digits}
"""The named data sets: each writes itself into a folder and returns the number of pictures."""


def write_data_set(name: str, folder: Path) -> int:
    """Write the named data set into `folder` as class folders of PNG pictures; return how many.

    Raises:
        InputError: there is no data set of that name.
        OutputError: the folder is there and not empty, or cannot be written.
    """
    if name not in DATA_SETS:
        raise InputError(
            f"There is no built-in data set {name!r}{did_you_mean(name, DATA_SETS)}. The built-in ones: "
            f"{', '.join(DATA_SETS)}."
        )
    return DATA_SETS[name](folder)


def _require_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise OutputError(
            f"{str(folder)!r} is already there and not an empty folder; nothing was written. Choose another "
            "folder, or remove it first."
        )


def _write_digit_files(folder: Path) -> int:
    from PIL import Image

    ink, numbers = digits()
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
    for index, (values, digit) in enumerate(zip(ink, numbers.tolist(), strict=True)):
        grey = np.rint(255 - values * (255 / 16)).astype(np.uint8)
        picture = Image.fromarray(grey).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        picture.save(folder / str(digit) / f"{index:04d}.png")
    return len(ink)


def _remove_partial(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
