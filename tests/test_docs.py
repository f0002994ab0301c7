"""The documents say what is there: commands, options' defaults, files, and nothing that has gone."""

import dataclasses
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from fovea.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_of_commands_is_what_help_says() -> None:
    # In a process of its own: click keeps the help option that a command was first asked for, in whichever test.
    command = [sys.executable, str(ROOT / "scripts" / "write_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


def config_defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a config's fields by name, those of its nested groups too."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            made = field.default_factory()
            found |= config_defaults(type(made)) if dataclasses.is_dataclass(made) else {field.name: made}
    return found


@pytest.mark.parametrize(
    "name",
    [
        "check",
        "suspects",
        "cluster",
        "map",
        "train",
        "average",
        "distil",
        "evaluate",
        "predict",
        "sort",
        "augment",
        "cache",
    ],
)
def test_options_have_the_defaults_of_the_tasks_config(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    defaults = config_defaults(import_module(f"fovea.tasks.{name}").Config)
    arguments = [
        example.split()[2:] for example in re.findall(r"^ *(fovea .*)$", command.help or "", re.MULTILINE)
    ]
    needed = [word for word in arguments[0] if not word.startswith("-")][
        : 1 + (name in ("evaluate", "predict", "sort", "distil"))
    ]
    extra = ["--out", "x"] if name in ("train", "average", "distil") else []
    extra += ["--net", "lenet5"] if name == "distil" else []
    given = command.make_context(name, [*needed, *extra] if name != "cache" else []).params
    shared = set(defaults) & set(given) - {"threads", "offline", "seed", "out", "net"}
    assert {key: given[key] for key in shared} == {key: defaults[key] for key in shared}
    assert shared or name == "evaluate"


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
    "page", ["README.md", "CHANGELOG.md", *[f"docs/{n}.md" for n in ("cli", "json", "python", "training")]]
)
def test_every_file_a_page_points_to_is_there(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
