"""Arrays of what is computed once: in memory, or where large in a file without a name, which is gone however the process ends."""

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fovea.errors import OutputError

LARGE_BYTES = 1 << 30
KindT = TypeVar("KindT", bound=np.generic)


def make_array(
    shape: tuple[int, ...], kind: type[KindT], *, folder: Path | None, what: str
) -> NDArray[KindT]:
    """Return zeros of `kind`; a GiB or more lies in a file in `folder`, where one is given.

    Raises OutputError where the folder has no room for it; `what` says for what, as "The pictures".
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    if folder is None or n_bytes < LARGE_BYTES:
        return np.zeros(shape, kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # A hole that the disk cannot fill later would end the process.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, kind, "r+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"{what} take {n_bytes / 1e9:.1f} GB, and there is no room for them in {str(folder)!r}: {error.strerror or error}. "
            "Make room, or take smaller or fewer pictures."
        ) from error
