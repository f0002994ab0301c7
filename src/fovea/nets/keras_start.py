"""Importing keras on torch without touching the user's environment or home, and without a word on the terminal."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

from fovea.errors import BackboneError, MissingExtraError


def import_keras() -> Any:
    """Return keras, running on torch. Raises MissingExtraError without it, BackboneError on another engine."""
    if "keras" not in sys.modules:
        _import()
    keras = sys.modules["keras"]
    if int(str(keras.__version__).partition(".")[0]) < 3:
        raise MissingExtraError(
            f"Keras networks need keras 3 or newer, and {keras.__version__} is installed. "
            'Update it: pip install --upgrade "fovea-vision[keras]".'
        )
    if keras.backend.backend() != "torch":
        raise BackboneError(
            f"Keras was started on {keras.backend.backend()!r} in this process, and networks are converted through torch. "
            "Convert it in a process of its own first, with `fovea train --backbone NAME`: here it is ready then."
        )
    return keras


def _import() -> None:
    """Import keras with the environment set for it, and put back as it was.

    Keras writes a keras.json into its home and reads the user's there: for the import that is an empty folder.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="fovea-keras-") as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy and torch, to keras
        os.environ |= {"KERAS_HOME": home, "KERAS_BACKEND": "torch"}
        try:
            import keras  # noqa: F401
        except ImportError as error:
            for name in [name for name in sys.modules if name.partition(".")[0] == "keras"]:
                del sys.modules[name]  # half imported
            raise MissingExtraError(
                f"Keras networks need keras and torch once, to be converted ({error}). "
                'Install them: pip install "fovea-vision[keras]".'
            ) from error
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ |= before


@contextlib.contextmanager
def quiet(keras: Any) -> Iterator[None]:
    """Keep keras from printing progress, and from choosing another device than the processor, for a while."""
    was_loud = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        with keras.device("cpu"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was_loud:
            keras.config.enable_interactive_logging()
