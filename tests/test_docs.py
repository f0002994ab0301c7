"""The documents say what is there: commands, options' defaults, files, and nothing that has gone."""

import re
import runpy
from pathlib import Path

import click
import pytest

from fovea.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_of_commands_is_what_help_says() -> None:
    render = runpy.run_path(str(ROOT / "scripts" / "write_docs.py"))["render"]
    assert (ROOT / "docs" / "cli.md").read_text() == render(), "run: make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_in_its_help_that_parses(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    examples = re.findall(r"^ *(fovea .*)$", command.help or "", flags=re.MULTILINE)
    assert examples, f"fovea {name} --help has no example"
    for example in examples:
        words = example.split()[1:]
        assert words[0] == name
        command.make_context(name, words[1:], resilient_parsing=False).close()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_options_that_all_have(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    options = {word for option in command.params for word in option.opts}
    assert {"--json", "--offline", "--threads", "--seed"} <= options


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"fovea {name}" not in readme] == []


def test_the_readme_is_short_and_shows_the_first_command_early() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert "fovea train" in "\n".join(lines[:25])


def test_the_readmes_tree_names_every_room() -> None:
    readme = (ROOT / "README.md").read_text()
    rooms = sorted(path.parent.name for path in (ROOT / "src" / "fovea").glob("*/__init__.py"))
    assert [room for room in rooms if f"{room}/" not in readme] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", *[f"docs/{n}.md" for n in ("cli", "json", "python")]]
)
def test_every_file_a_page_points_to_is_there(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
