"""What commands share: the options every command has, JSON on stdout, progress on stderr, errors as one paragraph."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import click

from fovea.errors import FoveaError


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
        self.progress = _Bar() if sys.stderr.isatty() else _Lines()

    def show(self, result: Result, lines: Callable[[], Sequence[str]]) -> None:
        """Print the result: as JSON alone, or as the lines that `lines` makes of it."""
        self.progress.close()
        if self.as_json:
            print(json.dumps(result.to_json(), indent=1, allow_nan=False))
        else:
            for line in lines():
                print(line)


class _Lines:
    """One line a stage, written when the stage ends, if it took two seconds or more."""

    def __init__(self) -> None:
        self._stage = ""
        self._start = 0.0

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        if stage != self._stage:
            self._stage, self._start = stage, time.monotonic()
        elif n_done >= n_total > 0:
            seconds = time.monotonic() - self._start
            if seconds >= 2:
                print(f"{stage}: {n_done:,} in {seconds:.1f} s", file=sys.stderr, flush=True)
            self._stage = ""

    def close(self) -> None:
        """Nothing is held open."""


class _Bar:
    """A bar with a time estimate, drawn once a stage has run for half a second."""

    def __init__(self) -> None:
        self._stage = ""
        self._start = 0.0
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._start = stage, time.monotonic()
        if self._bar is None and time.monotonic() - self._start > 0.5 and n_done < n_total:
            self._open(n_total)
        if self._bar is not None:
            self._bar.update(self._task, completed=n_done, total=n_total)
        if n_done >= n_total:
            self.close()

    def _open(self, n_total: int) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._stage, total=n_total)
        self._bar.start()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
        self._stage = ""


def report_error(message: str) -> None:
    """Write one plain paragraph to stderr."""
    print(f"fovea: {message}", file=sys.stderr)


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
        if threads:  # before numpy is imported: its matrix products read this once
            os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
        console = Console(as_json=as_json, offline=offline, threads=threads, seed=seed)
        try:
            function(console=console, **options)
        except FoveaError as error:
            console.progress.close()
            if debug:
                raise
            report_error(str(error))
            sys.exit(1)
        finally:
            console.progress.close()

    return wrapped  # type: ignore[return-value]
