"""A run as a backbone: the network saved in a model folder, for a new training on other pictures.

Checked as the model itself is; its head, classes and promises are left where they are.
"""

from pathlib import Path

from fovea.features.card import BackboneCard, read_card
from fovea.features.sealed import (
    MAX_DOCUMENT_BYTES,
    RefusedError,
    are_hashes,
    check_backbone,
    check_digest,
    check_folder,
    check_format,
    check_names,
    parse_object,
    read_file,
    refuse,
)


def is_run(path: Path) -> bool:
    """Return whether a run lies at `path`: a folder with a model.json."""
    try:
        return (path / "model.json").is_file()
    except (OSError, ValueError):  # a name too long, or with a zero in it
        return False


def open_run_backbone(folder: Path) -> tuple[Path, BackboneCard]:
    """Return the folder of a run's network, and its card with the size, fit and precision it was saved with.

    Raises:
        MissingInputError: nothing is there.
        ModelError: it is no run, or one that was cut or edited, or that a newer fovea wrote.
        BackboneError: its backbone.json is of a newer format.
    """
    check_folder(folder)
    try:
        body = parse_object(read_file(folder, "model.json", limit=MAX_DOCUMENT_BYTES), "model.json")
        check_format(body)
        check_digest(body)
        sha256 = body.get("sha256")
        if not isinstance(sha256, dict) or not are_hashes(sha256):
            raise RefusedError("model.json does not list the SHA-256 of its files")
        check_names(sha256)
        check_backbone(folder, expected=sha256)
    except RefusedError as reason:
        raise refuse(folder, reason) from None
    return folder / "backbone", read_card(folder / "backbone")
