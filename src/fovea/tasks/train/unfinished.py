"""Whether a run may begin: a finished one is never overwritten, an unfinished one continues with the same settings."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fovea.errors import FoveaError, InputError, OutputError
from fovea.tasks.several import is_follower


@dataclass(frozen=True, slots=True)
class Marker:
    """The hidden file beside the run's folder that says a run is under way, and with which settings."""

    path: Path
    continues: bool

    def done(self) -> None:
        """Take the marker away: the run's folder is there."""
        self.path.unlink(missing_ok=True)


def require_apart(photos: Path, *, out: Path) -> None:
    """Raise where one of the pictures' folder and the run's holds the other (a table may lie beside its run).

    Raises:
        OutputError: nothing is written among the user's pictures: the next training would take it for classes.
    """
    if not photos.is_dir():
        return
    inside, around = out.resolve(), photos.resolve()
    if inside.is_relative_to(around) or around.is_relative_to(inside):
        raise OutputError(
            f"--out {str(out)!r} and the pictures in {str(photos)!r} lie one in the other. Nothing is written among "
            "the pictures, where the next training would take a run's folders for classes: give an --out beside "
            f"them, for example --out {str(around.parent / (around.name + '-run'))!r}."
        )


@contextlib.contextmanager
def unfinished(out: Path, *, settings: Mapping[str, Any]) -> Iterator[Marker]:
    """Mark a run into `out` as begun; on an error that the same command would meet again, unmark it.

    Raises:
        OutputError: a finished run or something else is there, an unfinished run has other settings, or the folder
            cannot be written.
    """
    path = out.parent / f".{out.name}.settings.json"
    if is_follower():  # the first process of several marks it
        yield Marker(path, continues=True)
        return
    _require_free(out)
    text = json.dumps(settings, sort_keys=True, indent=1)
    before = _earlier_settings(path)
    if before is not None and before != json.loads(text):
        raise OutputError(
            f"A run into {str(out)!r} was begun with other settings and not finished ({_differences(before, settings)}). "
            f"Give the same settings to continue it, choose another --out, or delete {str(path)!r} to begin anew; "
            "stored features are used again in any case."
        )
    made = before is None
    if not path.exists():  # deleted to begin anew: checkpoints without it belong to nothing
        shutil.rmtree(_workspace(out), ignore_errors=True)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if made:
            _write(path, text)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a file is in the way" if in_the_way else error.strerror or str(error)
        raise OutputError(
            f"Nothing can be written beside {str(out)!r} ({why}). Choose another --out."
        ) from error
    try:
        yield Marker(path, continues=not made)
    except Exception as error:
        if made and not can_go_on(error):
            path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def workspace_beside(out: Path) -> Iterator[Path]:
    """Name a hidden folder beside `out` for what training needs meanwhile; it goes when all is done, or failed for good.

    A run that was killed, or met a full disk, finds its checkpoints there, and whatever refuses to go on with them (other
    settings, too little memory now) leaves them. Of several processes the first takes it away.
    """
    workspace = _workspace(out)
    made = not workspace.exists()
    if is_follower():
        yield workspace
        return
    try:
        yield workspace
    except Exception as error:
        if made and not can_go_on(error):
            shutil.rmtree(workspace, ignore_errors=True)
        raise


def _workspace(out: Path) -> Path:
    return out.parent / f".{out.name}.training"


def can_go_on(error: Exception) -> bool:
    """Return whether the same command may get further after an error: a full disk, too little memory, a lost process, a bug.

    Of the errors that are raised on purpose those cannot that tell what is wrong with what was given.
    """
    if isinstance(error, FoveaError):
        return isinstance(error, OSError) and not isinstance(error, InputError)
    return True


def _require_free(out: Path) -> None:
    if out.name in ("", ".."):
        raise OutputError(
            f"--out {str(out)!r} is no new folder. Name one of its own, for example --out runs/first."
        )
    if out.is_dir() and not any(out.iterdir()):
        return
    if (out / "model.json").is_file():
        raise OutputError(
            f"There is a finished run in {str(out)!r}, and nothing is overwritten. Choose another name, for example "
            f"--out {str(out.with_name(out.name + '-2'))!r}; with --since {str(out)!r} its splits are kept and the report "
            "says which answers changed."
        )
    if out.exists() or out.is_symlink():
        raise OutputError(
            f"There is something at {str(out)!r} that is not a run of fovea's, and nothing is overwritten. Choose another --out."
        )


def _earlier_settings(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what differs: flat names, earlier value, present value."""
    one, other = _flat(before), _flat(now)
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    return ", ".join(f"{name} was {one.get(name)!r} and is {other.get(name)!r}" for name in names[:5])


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value) if isinstance(value, dict) and name != "merge" else {name: value}
    return flat
