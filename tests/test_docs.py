"""The documents say what is there: commands, options' defaults, files, and nothing that has gone."""

import csv
import dataclasses
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource

from fovea.cli import COMMANDS, group
from fovea.manifest import write_digits
from fovea.tasks import duplicates_find

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


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


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "doctor"])  # which has no config
def test_options_have_the_defaults_of_the_tasks_config(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    module = f"fovea.tasks.{'train.train' if name == 'train' else name}"
    defaults = config_defaults(import_module(module).Config)
    example = re.findall(r"^ *(fovea .*)$", command.help or "", re.MULTILINE)[0]
    with command.make_context(name, example.split()[2:]) as context:
        usual = {
            key for key in context.params if context.get_parameter_source(key) is ParameterSource.DEFAULT
        }
        shared = usual & set(defaults) - {"threads", "offline", "seed"}
        assert {key: context.params[key] for key in shared} == {key: defaults[key] for key in shared}
    assert shared or name in ("evaluate", "backbones", "data")


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


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *[f"docs/{name}" for name in PAGES]])
def test_every_file_a_page_points_to_is_there(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def blocks(page: str) -> list[str]:
    """Return the blocks of a page that a person types: those that name no language."""
    text = (ROOT / "docs" / page).read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for language, block in found if not language]


@pytest.mark.parametrize("page", [name for name in PAGES if name != "cli.md"])
def test_the_commands_that_a_page_shows_parse(page: str) -> None:
    lines = [line for block in blocks(page) for line in block.splitlines() if line.startswith("fovea ")]
    for line in lines:
        _, name, *words = shlex.split(re.split(r" {2,}", line)[0])  # what a command does stands behind blanks
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        command.make_context(name, words).close()


@pytest.fixture
def unclean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with digits in `photos`: one is there twice, three stand under another digit."""
    write_digits(tmp_path / "all")
    for label in "0146":
        (tmp_path / "photos" / label).mkdir(parents=True)
        for path in sorted((tmp_path / "all" / label).iterdir())[:20]:
            shutil.copy(path, tmp_path / "photos" / label)
    for label, other in ("01", "14", "46"):
        wrong = sorted((tmp_path / "all" / label).iterdir())[20]
        shutil.copy(wrong, tmp_path / "photos" / other / f"from_{label}.png")
    shutil.copy(wrong, tmp_path / "photos" / other / "twice.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as a command would, for the rest of the process
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    return tmp_path


def fill(table: Path) -> None:
    """Write what is suggested into each empty label of a table, as a person would."""
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    if not rows or "suggested" not in rows[0]:
        return
    with table.open("w", newline="") as target:
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": row["label"] or row["suggested"]} for row in rows)


def test_what_the_page_on_cleaning_tells_to_do_works(unclean: Path) -> None:
    for block in blocks("cleaning.md"):
        for table in unclean.glob("*.csv"):
            fill(table)
        program, _, text = block.partition("\n")
        if program == "python3 - <<'END'":
            exec(text.removesuffix("END\n"), {})
            continue
        for line in block.splitlines():
            group.main(shlex.split(line)[1:], standalone_mode=False)
    assert [path.name for path in (unclean / "removed").rglob("*.png")] == ["twice.png"]
    assert len(list((unclean / "photos").rglob("*.png"))) == 4 * 20 + 3
    labels = {
        row["path"]: row["label"]
        for row in csv.DictReader(
            (unclean / "runs" / "cleaner" / "manifest.csv").read_text("utf-8-sig").splitlines()
        )
    }
    assert [labels[f"{other}/from_{label}.png"] for label, other in ("01", "14", "46")] == ["0", "1", "4"]
