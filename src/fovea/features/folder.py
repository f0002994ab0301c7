"""Where fovea keeps what it can compute again: the user's cache folder, or where FOVEA_CACHE says."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder's path; nothing is created."""
    chosen = os.environ.get("FOVEA_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if platform.system() == "Darwin":
        return Path.home() / "Library" / "Caches" / "fovea"
    if platform.system() == "Windows":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "fovea" / "cache"
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache") / "fovea"


def write_whole(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make `folder` by letting `fill` write into a temporary one beside it: whole or not there.

    Where another process was faster, its folder stays. Raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fill(temporary)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
