"""What the console promises: JSON alone on stdout, talk on stderr, nothing that harms a terminal, progress that is seen."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.cli.console import Bar, Console, Lines, plain, report_error

Fovea = Callable[..., Any]


class Answer:
    """A result that says what it is given."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def to_json(self) -> Any:
        return self.value


def console(*, as_json: bool = False) -> Console:
    return Console(as_json=as_json, offline=False, threads=None, seed=0)


def test_json_stands_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console(as_json=True).show(Answer({"n_pictures": 3, "name": "K\udce4se ü"}), lambda: ["three"])
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"n_pictures": 3, "name": "K\udce4se ü"}, "")


def test_json_never_holds_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="JSON"):
        console(as_json=True).show(Answer(float("nan")), list)


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console().show(Answer(None), lambda: ["a  b", "ü"])
    assert capsys.readouterr().out == "a  b\nü\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred", "\ufffd[31mred"),
        ("K\udce4se", "K\ufffdse"),
        ("a\nb\r", "a\ufffdb\ufffd"),
        ("猫 é", "猫 é"),
    ],
)
def test_a_terminal_is_given_nothing_that_it_would_obey(line: str, shown: str) -> None:
    assert plain(line) == shown


def test_an_error_is_one_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    report_error("First line\nsecond \x1b[31mline")
    assert capsys.readouterr().err == "fovea: First line second \ufffd[31mline\n"


@pytest.mark.parametrize(
    "command", [("curve", "photos"), ("augment", "photos", "--out", "grid.html"), ("cache",)]
)
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_is_none_is_refused_by_every_command(
    fovea: Fovea, command: tuple[str, ...], seed: int
) -> None:
    said = fovea(*command, "--seed", str(seed))
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"fovea: --seed is {seed}; give a whole number from 0 to 4,294,967,295, for example --seed 1.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_said(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "fovea", "cache"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "fovea: All is done, but the result cannot be printed (No space left on device). Make room where the output "
        "goes, and give the same command.\n",
    )


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "fovea", "cache"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""


def test_a_terminal_that_knows_few_signs_loses_no_work(
    draw_picture: Callable[..., Path], tmp_path: Path
) -> None:
    draw_picture(tmp_path / "猫" / "1.png", seed=1)
    draw_picture(tmp_path / "犬" / "1.png", seed=2)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "fovea", "check", str(tmp_path)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "  1  ?")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the clock that progress looks at."""
    now = [0.0]
    monkeypatch.setattr("fovea.cli.console.time.monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def test_without_a_terminal_a_long_stage_says_one_line(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    lines = Lines()
    for n_done, seconds in ((0, 0.0), (500, 1.0), (1500, 2.5)):
        clock(seconds)
        lines("extract", n_done, 1500)
    assert capsys.readouterr() == ("", "extract: 1,500 in 2.5 s\n")


def test_without_a_terminal_a_short_stage_says_nothing(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    lines = Lines()
    lines("hash", 0, 9)
    clock(1.9)
    lines("hash", 9, 9)
    lines("extract", 0, 0)
    clock(4)
    lines("fit", 3, 3)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A terminal on stderr; `drawn` is set once something holds the words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words, self.drawn = words, threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.words in self.getvalue():
            self.drawn.set()
        return written


def test_on_a_terminal_a_stage_that_tells_nothing_yet_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("to go")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    bar = Bar(delay_seconds=0)
    bar("fit", 0, 3)
    assert terminal.drawn.wait(20)
    bar("fit", 3, 3)
    assert "fit" in terminal.getvalue()
    assert "0/3" in terminal.getvalue()


def test_on_a_terminal_what_is_known_so_far_stands_below_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("epoch 2 of 4, loss 0.41")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    bar = Bar(delay_seconds=0)
    bar("training", 0, 3)
    for n_done, known in ((1, "epoch 1 of 4, loss 0.52"), (2, "epoch 2 of 4, loss 0.41")):
        bar(f"training: {known}", n_done, 3)  # the same stage: the bar stays
    assert terminal.drawn.wait(20)
    bar("training: epoch 2 of 4, loss 0.41", 3, 3)
    lines = terminal.getvalue().splitlines()
    assert any(line.endswith("  epoch 2 of 4, loss 0.41") for line in lines)
    assert not any("training: epoch" in line for line in lines)


def test_without_a_terminal_a_stage_is_one_whatever_is_known(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    lines = Lines()
    for n_done, seconds in ((0, 0.0), (500, 1.0), (1500, 2.5)):
        clock(seconds)
        lines(f"training: epoch {1 + seconds}", n_done, 1500)
    assert capsys.readouterr() == ("", "training: 1,500 in 2.5 s\n")


def test_a_stage_that_is_over_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("to go")
    monkeypatch.setattr(sys, "stderr", terminal)
    before = set(threading.enumerate())
    bar = Bar(delay_seconds=0.05)
    bar("hash", 0, 3)
    timer = (set(threading.enumerate()) - before).pop()
    bar("hash", 3, 3)
    timer.join(20)
    assert terminal.getvalue() == ""


def test_blas_keeps_to_one_thread_unless_told_otherwise(
    fovea: Fovea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    fovea("cache", "--threads", "3")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    fovea("cache")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
