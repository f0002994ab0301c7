"""The user's default backbone: one name in `config.json` of fovea's folder of settings (FOVEA_CONFIG names another)."""

import contextlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from fovea.errors import InputError, OutputError

_FILE, _KEY = "config.json", "backbone"


def config_file() -> Path:
    """Return where the settings are; nothing is created."""
    chosen = os.environ.get("FOVEA_CONFIG")
    if chosen:
        return Path(chosen).expanduser() / _FILE
    if platform.system() == "Darwin":
        return Path.home() / "Library" / "Application Support" / "fovea" / _FILE
    if platform.system() == "Windows":
        roaming = os.environ.get("APPDATA")
        return (Path(roaming) if roaming else Path.home() / "AppData" / "Roaming") / "fovea" / _FILE
    xdg = os.environ.get("XDG_CONFIG_HOME")
    return (Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".config") / "fovea" / _FILE


def read_default() -> str | None:
    """Return the backbone that the user chose as default, or None. Raises InputError where the file is damaged."""
    name = _read().get(_KEY)
    if name is not None and not (isinstance(name, str) and name):
        raise _damaged(f"its key {_KEY!r} holds {name!r}")
    return name


def write_default(name: str | None) -> None:
    """Make `name` the default (None: the embedded network). Raises InputError, OutputError."""
    content = {key: value for key, value in _read().items() if key != _KEY}
    if name is not None:
        content[_KEY] = name
    file = config_file()
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise OutputError(
            f"The settings {str(file)!r} cannot be written: {error.strerror or error}. Name another folder with "
            "FOVEA_CONFIG, or give --backbone each time."
        ) from error


def _read() -> dict[str, Any]:
    try:
        content = json.loads(config_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError as error:
        raise InputError(
            f"The settings {str(config_file())!r} cannot be there: a file stands where the folder "
            f"{str(config_file().parent)!r} has to be. Name a folder with FOVEA_CONFIG."
        ) from error
    except IsADirectoryError as error:
        raise InputError(
            f"The settings {str(config_file())!r} are a folder, and a file is needed. Name the folder around that file with "
            "FOVEA_CONFIG, not the file; or move what is there away."
        ) from error
    except OSError as error:
        raise InputError(
            f"The settings {str(config_file())!r} cannot be read: {error.strerror or error}. Let yourself read the file, or "
            "name another folder with FOVEA_CONFIG."
        ) from error
    except ValueError as error:
        raise _damaged(str(error)) from error
    if not isinstance(content, dict):
        raise _damaged("it holds no JSON object")
    return content


def _damaged(reason: str) -> InputError:
    return InputError(
        f"The settings {str(config_file())!r} cannot be read: {reason}. Delete the file; `fovea backbones use NAME` writes "
        "it again."
    )
