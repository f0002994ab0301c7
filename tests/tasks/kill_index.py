"""Run by test_index_kill.py in its own process: `fovea index` in chunks of 3, killed with SIGKILL at the moment KILL_AT names.

"rows 2": when the vectors of the second chunk are written and their rows are not committed yet; "commit 2": when they are;
"begin 1": when another file of vectors is begun. With MEET, a folder, it waits there for another process before it reads.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from fovea import cli
from fovea.features import index_folder
from fovea.features.index_folder import CatalogueIndex
from fovea.tasks import index

APPEND, WRITE, BEGIN = CatalogueIndex.append, CatalogueIndex._write_vectors, CatalogueIndex._begin_vectors
READ = index.read_stored
MOMENT, _, NUMBER = os.environ.get("KILL_AT", "").partition(" ")
done = {"rows": 0, "commit": 0}


def end_at(moment: str) -> None:
    done[moment] = done.get(moment, 0) + 1
    if moment == MOMENT and done[moment] == int(NUMBER):
        os.kill(os.getpid(), signal.SIGKILL)


def append(self: CatalogueIndex, *given: Any) -> int:
    n = APPEND(self, *given)
    end_at("commit")
    return n


def write(self: CatalogueIndex, *given: Any) -> None:
    WRITE(self, *given)
    end_at("rows")


def begin(self: CatalogueIndex, n_slots: int) -> None:
    BEGIN(self, n_slots)
    end_at("begin")


def read_stored(*given: Any, **named: Any) -> Any:
    if "MEET" in os.environ:
        meet(Path(os.environ["MEET"]))
    return READ(*given, **named)


def meet(folder: Path) -> None:
    """Wait until two processes know what is there and are about to read pictures."""
    (folder / str(os.getpid())).touch()
    until = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.01)


def main() -> None:
    index._CHUNK, index_folder._SLACK = 3, 2
    index.read_stored = read_stored
    CatalogueIndex.append = append  # type: ignore[method-assign]
    CatalogueIndex._write_vectors = write  # type: ignore[method-assign]
    CatalogueIndex._begin_vectors = begin  # type: ignore[method-assign]
    cli.main()


if __name__ == "__main__":
    main()
