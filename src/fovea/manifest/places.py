"""Where files lie, as text: one root for all, and each one's path below it. No disk is touched."""

import os


def common_root(files: list[str], *, preferred: str) -> str:
    """Return `preferred` when all files (absolute paths) lie below it, else the deepest folder with all."""
    if all(file.startswith(preferred.rstrip("/") + "/") for file in files):
        return preferred
    return os.path.commonpath({file.rpartition("/")[0] or "/" for file in files})


def below(file: str, *, root: str) -> str:
    """Return the path of a file (absolute) below a root that holds it."""
    return file[len(root.rstrip("/")) + 1 :]
