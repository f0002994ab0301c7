"""What every command promises: how it ends, and what it says of mistakes."""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fovea.cli import COMMANDS, group
from fovea.tasks import check as check_task

Fovea = Callable[..., Any]


def test_help_lists_every_command_in_order(fovea: Fovea) -> None:
    said = fovea("--help")
    assert said.code == 0
    assert re.findall(r"^  (\w+)  ", said.out.partition("Commands:")[2], flags=re.MULTILINE) == list(COMMANDS)


def test_help_needs_one_line_a_command(fovea: Fovea, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = fovea("--help").out.partition("Commands:\n")[2]
    assert len(listed.splitlines()) == len(COMMANDS)


def test_there_is_a_command_for_every_file() -> None:
    files = {path.stem for path in Path(sys.modules["fovea.cli"].__file__ or "").parent.glob("*.py")}
    assert files == {"__init__", "console", "run_options", "train_options", *COMMANDS}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["xyzzy"], f"No such command 'xyzzy'. There are: {', '.join(COMMANDS)}."),
        (["check"], "Missing argument 'PHOTOS'."),
        (["check", "a", "--colour"], "No such option '--colour'."),
        (["check", "a", "--threads", "0"], "Invalid value for '--threads': 0 is not in the range x>=1."),
        (["train", "a"], "Missing option '--out'."),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    fovea: Fovea, wrong: list[str], sentence: str
) -> None:
    said = fovea(*wrong)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == f"Error: {sentence}"


@pytest.mark.parametrize("shape", [[], ["--json"]])
def test_a_users_mistake_ends_with_1_and_one_paragraph(
    fovea: Fovea, tmp_path: Path, shape: list[str]
) -> None:
    said = fovea("check", tmp_path / "nowhere", *shape)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"fovea: There is no folder or file {str(tmp_path / 'nowhere')!r}.")
    assert said.err.count("\n") == 1


def test_debug_shows_where_a_mistake_arose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        group.main(["check", str(tmp_path / "nowhere"), "--debug"], standalone_mode=False)


@pytest.mark.parametrize("reason", ["", "stopped: 3 of 9 are stored."])
def test_an_interrupt_ends_with_130_and_a_sentence(
    fovea: Fovea, photos: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt(*([reason] if reason else []))

    monkeypatch.setattr(check_task, "add_hashes", interrupt)
    said = fovea("check", photos)
    assert (said.code, said.out) == (130, "")
    told = (
        reason
        or "stopped before it was done; nothing of yours is half written. Give the same command to go on."
    )
    assert said.err.strip() == f"fovea: {told}"


def test_the_version_is_the_packages(fovea: Fovea) -> None:
    import fovea as package

    said = fovea("--version")
    assert (said.code, said.out) == (0, f"fovea, version {package.__version__}\n")


def test_python_m_fovea_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fovea", "--version"])
    monkeypatch.delitem(sys.modules, "fovea.__main__", raising=False)
    with pytest.raises(SystemExit) as caught:
        import_module("fovea.__main__")
    assert (caught.value.code, capsys.readouterr().out[:6]) == (0, "fovea,")
