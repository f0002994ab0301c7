"""What commands share: the options every command has, JSON on stdout, progress on stderr, errors as one paragraph."""

import functools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from click.core import ParameterSource

from fovea.errors import FoveaError, InputError, OutputError
from fovea.tasks.option_values import check_seed
from fovea.tasks.several import is_follower

if TYPE_CHECKING:
    from rich.console import RenderableType


class Result(Protocol):
    """What a task returns: it can say itself as plain JSON values."""

    def to_json(self) -> Any:
        """Return plain dictionaries, lists, strings and numbers."""


class Console:
    """Where a command writes: results to stdout, talk to stderr."""

    def __init__(self, *, as_json: bool, offline: bool, threads: int | None, seed: int) -> None:
        self.as_json = as_json
        self.offline = offline
        self.threads = threads
        self.seed = seed
        self.progress = Silence() if is_follower() else Bar() if sys.stderr.isatty() else Lines()

    @property
    def shared(self) -> dict[str, Any]:
        """What every command takes, by the names of the tasks' keywords."""
        return {
            "progress": self.progress,
            "seed": self.seed,
            "threads": self.threads,
            "offline": self.offline,
        }

    def say(self, sentence: str) -> None:
        """Print a sentence about what is under way."""
        self.progress.say(plain(sentence))

    def show(self, result: Result, lines: Callable[[], Sequence[str]]) -> None:
        """Print the result: as JSON alone, or as the lines that `lines` makes of it. Raises OutputError."""
        self.progress.close()
        if self.as_json:
            text = json.dumps(result.to_json(), indent=1, allow_nan=False)
        else:
            text = _with_words("\n".join(plain(line) for line in lines()))
        try:
            print(text, flush=True)
        except BrokenPipeError:  # whoever read it has seen enough: click ends quietly
            raise
        except OSError as error:
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # or Python fails again when it ends
            raise OutputError(
                f"All is done, but the result cannot be printed ({error.strerror or error}). "
                "Make room where the output goes, and give the same command."
            ) from error


def _with_words(text: str) -> str:
    """Return the text with the words behind WordNet ids, where there may be such."""
    if not re.search(r"n\d{8}", text):
        return text
    from fovea.manifest import with_words

    return with_words(text)


def plain(line: str) -> str:
    """Return a line that a terminal can only show: file names may hold control signs and broken encodings."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in line)


class Silence:
    """No progress: another process tells it (see `fovea.tasks.several`)."""

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        """Tell nothing."""

    def say(self, sentence: str) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Nothing is held open."""


class Lines:
    """Progress where there is no terminal: one line a stage, when it ends, if it took two seconds or more."""

    def __init__(self) -> None:
        self._stage = ""
        self._start = 0.0

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        """Say a stage that ended; see `fovea.progress`."""
        stage = stage.partition(": ")[0]
        if stage != self._stage:
            self._stage, self._start = stage, time.monotonic()
        if n_done >= n_total:
            seconds = time.monotonic() - self._start
            if seconds >= 2:
                print(f"{stage}: {n_done:,} in {seconds:.1f} s", file=sys.stderr, flush=True)
            self._stage = ""

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is held open."""


class Bar:
    """Progress on a terminal: a bar with a time estimate, drawn once a stage has run for half a second.

    A timer draws it: a stage may go on for long before it tells of its first step. What is known so far stands below it.
    """

    def __init__(self, *, delay_seconds: float = 0.5) -> None:
        self._delay_seconds = delay_seconds
        self._lock = threading.RLock()
        self._stage = self._known = ""
        self._n = (0, 0)
        self._timer: threading.Timer | None = None
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        """Take in how far a stage is; see `fovea.progress`."""
        stage, _, known = stage.partition(": ")
        with self._lock:
            if stage != self._stage:
                self.close()
            self._n, self._known = (n_done, n_total), known
            if n_done >= n_total:
                self.close()
            elif self._bar is not None:
                self._bar.update(self._task, completed=n_done, total=n_total)
            elif self._timer is None:
                self._stage = stage
                self._timer = threading.Timer(self._delay_seconds, self._open)
                self._timer.daemon = True
                self._timer.start()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        with self._lock:
            if self._bar is None:
                print(sentence, file=sys.stderr, flush=True)
            else:
                self._bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _open(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        bar = self

        class WithKnown(Progress):
            def get_renderables(self) -> "Iterator[RenderableType]":
                yield from super().get_renderables()
                if bar._known:
                    yield Text(f"  {bar._known}", no_wrap=True, overflow="ellipsis")

        with self._lock:
            if self._timer is not threading.current_thread():  # the stage ended meanwhile
                return
            self._bar = WithKnown(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("so far,"),
                TimeRemainingColumn(),
                TextColumn("to go"),
                console=RichConsole(stderr=True),
                transient=True,
            )
            n_done, n_total = self._n
            self._task = self._bar.add_task(self._stage, completed=n_done, total=n_total)
            self._bar.start()

    def close(self) -> None:
        """Take the bar off the terminal."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._bar is not None:
                self._bar.stop()
            self._bar = self._task = self._timer = None
            self._stage = self._known = ""


def _cache_folder() -> Path:
    """Return the cache folder; what it stands in is imported late."""
    from fovea.features import cache_folder

    return cache_folder()


def report_error(message: str) -> None:
    """Write one plain paragraph to stderr."""
    print(f"fovea: {plain(' '.join(message.splitlines()))}", file=sys.stderr)


def require_precision(precision: object) -> None:
    """Raise UsageError where the command was given how to promise a precision, but not which."""
    source_of = click.get_current_context().get_parameter_source
    how = [name for name in ("per_class", "confidence") if source_of(name) is ParameterSource.COMMANDLINE]
    if how and precision is None:
        raise click.UsageError(
            "--per-class and --confidence say how --precision is promised: give --precision too."
        )


F = TypeVar("F", bound=Callable[..., Any])


def common_options(function: F) -> F:
    """Give a command the options that every command has, and hand it a `Console` as `console`.

    A `FoveaError` becomes one paragraph on stderr and exit status 1; `--debug` shows where it arose.
    """

    @click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON; stdout holds nothing else."
    )
    @click.option(
        "--offline", is_flag=True, help="Never open a connection, not even for a download asked for."
    )
    @click.option(
        "--threads", type=click.IntRange(min=1), help="Threads to use.  [default: the cores we may use]"
    )
    @click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
    @click.option("--debug", is_flag=True, help="On an error, show where it arose.")
    @functools.wraps(function)
    def wrapped(
        *, as_json: bool, offline: bool, threads: int | None, seed: int, debug: bool, **options: Any
    ) -> None:
        # Before numpy is imported. Its own threads spin while they wait: a fit took 216 s that takes 4 s without them
        # on a busy machine; large products get threads of ours (learn/probe/products.py).
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Where torch is used, it would make a folder of this kind in /tmp and ask the system for the user's name.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_cache_folder() / "torch"))
        console = Console(as_json=as_json, offline=offline, threads=threads, seed=seed)
        try:
            check_seed(seed)
            function(console=console, **options)
        except FoveaError as error:
            console.progress.close()
            if debug:
                raise
            if not (is_follower() and isinstance(error, InputError)):  # the first process meets the same
                report_error(str(error))
            sys.exit(1)
        finally:
            console.progress.close()

    return wrapped  # type: ignore[return-value]
