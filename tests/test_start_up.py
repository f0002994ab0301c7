"""Nothing heavy is imported before it is needed: seen in fresh processes."""

import subprocess
import sys

import pytest

from fovea.cli import COMMANDS

HEAVY = (
    "torch",
    "sklearn",
    "pyarrow",
    "PIL",
    "scipy",
    "openvino",
    "numpy",
    "pandas",
    "jinja2",
    "rich.progress",
)


def imported(code: str) -> list[str]:
    """Run `code` in a fresh process and return which heavy packages it imported."""
    ask = f"import sys; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    script = f"try:\n    {code}\nexcept SystemExit:\n    pass\n{ask}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded: list[str] = eval(done.stderr.splitlines()[-1])
    return loaded


def run_fovea(*arguments: str) -> str:
    return f"import sys; sys.argv = ['fovea', *{arguments}]; from fovea.cli import main; main()"


def test_help_imports_nothing_heavy() -> None:
    assert imported(run_fovea("--help")) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_imports_nothing_heavy(command: str) -> None:
    assert imported(run_fovea(command, "--help")) == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert imported("import fovea") == []
