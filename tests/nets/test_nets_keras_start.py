"""Importing keras: nothing is left behind, and a wrong keras is told from a missing one."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Child = Callable[..., str]

REPORT = """
import os, sys
before = dict(os.environ)
from fovea.errors import FoveaError
from fovea.nets.keras_start import import_keras
try:
    keras = import_keras()
    print(keras.backend.backend(), dict(os.environ) == before)
except FoveaError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """Return a function that runs code in a new process with an empty home, and returns what it prints."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "keras")):
        pytest.skip("the extra 'keras' is not installed")
    (tmp_path / "home").mkdir()

    def run(code: str, **environment: str) -> str:
        names = {**os.environ, "HOME": str(tmp_path / "home"), **environment}
        command = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=names, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_keras_runs_on_torch_and_nothing_is_left_in_the_environment_or_home(
    child: Child, tmp_path: Path
) -> None:
    assert child(REPORT) == "torch True\n"
    assert list((tmp_path / "home").iterdir()) == []


def test_the_user_s_own_settings_of_keras_do_not_count(child: Child, tmp_path: Path) -> None:
    settings = tmp_path / "home" / ".keras" / "keras.json"
    settings.parent.mkdir()
    settings.write_text('{"backend": "jax", "image_data_format": "channels_first"}')
    code = REPORT + "print(keras.config.image_data_format())"
    assert child(code, KERAS_BACKEND="tensorflow") == "torch True\nchannels_last\n"
    assert settings.read_text() == '{"backend": "jax", "image_data_format": "channels_first"}'


def test_without_keras_the_install_line_is_given(child: Child) -> None:
    said = child("import sys\nsys.modules['keras'] = None\ndel sys.modules['keras']\n" + BLOCK + REPORT)
    assert said == (
        "MissingExtraError: Keras networks need keras and torch once, to be converted (No module named 'keras'). "
        'Install them: pip install "fovea-vision[keras]".\n'
    )


BLOCK = """
import importlib.abc
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "keras":
            raise ModuleNotFoundError("No module named 'keras'")
sys.meta_path.insert(0, Nothing())
"""


def test_without_torch_the_install_line_is_given(child: Child) -> None:
    said = child("import sys\nsys.modules['torch'] = None\n" + REPORT)
    assert said.startswith("MissingExtraError: Keras networks need keras and torch once, to be converted (")
    assert said.endswith('Install them: pip install "fovea-vision[keras]".\n')


def test_a_keras_that_runs_on_another_engine_already_is_refused(child: Child) -> None:
    started = "import types, sys\nfake = types.ModuleType('keras')\nfake.__version__ = '3.1'\n"
    started += "fake.backend = types.SimpleNamespace(backend=lambda: 'jax')\nsys.modules['keras'] = fake\n"
    assert child(started + REPORT) == (
        "BackboneError: Keras was started on 'jax' in this process, and networks are converted through torch. Convert it in "
        "a process of its own first, with `fovea train --backbone NAME`: here it is ready then.\n"
    )


def test_an_old_keras_is_refused(child: Child) -> None:
    started = "import types, sys\nfake = types.ModuleType('keras')\nfake.__version__ = '2.15.0'\nsys.modules['keras'] = fake\n"
    assert child(started + REPORT) == (
        "MissingExtraError: Keras networks need keras 3 or newer, and 2.15.0 is installed. "
        'Update it: pip install --upgrade "fovea-vision[keras]".\n'
    )
