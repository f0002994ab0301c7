"""The public names are those that are listed, documented and importable: the same set."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import fovea

SOURCE = Path(fovea.__file__).parent
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"


def test_the_python_page_describes_exactly_the_public_names() -> None:
    described = set(re.findall(r"^## `fovea\.(\w+)", PAGE.read_text(), flags=re.MULTILINE))
    assert described | {"__version__"} == set(fovea.__all__)


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in fovea.__all__ if not hasattr(fovea, name)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'fovea' has no attribute 'trian'$"):
        _ = fovea.trian  # type: ignore[attr-defined]


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_names_are_importable_and_listed_once(room: str) -> None:
    module = import_module(f"fovea.{room}")
    names = getattr(module, "__all__", [])
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["fovea.tasks.predict", "fovea.tasks.sort", "fovea.tasks.train.train"])
def test_every_task_has_a_config_and_a_run(name: str) -> None:
    task = import_module(name)
    assert callable(task.run)
    assert callable(task.Config)


def test_no_file_is_named_for_everything() -> None:
    forbidden = {"utils", "helpers", "common", "misc", "base"}
    assert [str(path) for path in SOURCE.rglob("*.py") if path.stem in forbidden] == []


def test_no_source_file_is_longer_than_400_lines() -> None:
    long = {path.name: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert {name: n for name, n in long.items() if n > 400} == {}
