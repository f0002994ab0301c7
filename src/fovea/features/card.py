"""The folder of a backbone: `network.xml`, `network.bin`, and `backbone.json`, which says what they are.

One that was trained here holds `weights.safetensors` too, from which torch can train it further.

Reading checks every file against its recorded hash, so that a cut or edited folder is refused.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from fovea.errors import BackboneError
from fovea.features.encoder import Preprocess, Stage

CARD_FORMAT = 1
NETWORK, WEIGHTS, CARD = "network.xml", "network.bin", "backbone.json"
TRAINED = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class BackboneCard:
    """What `backbone.json` says: where a network comes from, what it takes and what it gives.

    `structure` names everything but the weights that the numbers depend on (architecture, normalisation).
    `preprocess` and `precision` are how it was last used; both can be changed at opening.
    `difference` is the largest distance to the original network's features over their largest value.
    `any_shape` tells whether pictures of another size than that of training can enter.
    `notes` are sentences for the user about what is doubtful in it.
    `class_names` are what its softmax stage names, in order; empty where unknown.
    `files` are (name, sha256) of the network's files.
    """

    name: str
    structure: str
    weights_sha256: str
    stages: tuple[Stage, ...]
    preprocess: Preprocess
    licence: str
    source: str = ""
    precision: str = ""
    difference: float = 0.0
    any_shape: bool = True
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def write_card(folder: Path, card: BackboneCard) -> None:
    """Write `backbone.json` beside the network's files, whose hashes it records. Raises OSError."""
    there = [name for name in (NETWORK, WEIGHTS, TRAINED) if name != TRAINED or (folder / name).exists()]
    files = tuple((name, file_sha256(folder / name)) for name in there)
    content = {"format": CARD_FORMAT, **dataclasses.asdict(dataclasses.replace(card, files=files))}
    (folder / CARD).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_card(folder: Path) -> BackboneCard:
    """Return what `backbone.json` in `folder` says, after checking the network's files against it.

    Raises BackboneError where something is missing, damaged, changed, or from a newer version.
    """
    try:
        content = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = _parse(content)
        changed = [name for name, sha256 in card.files if file_sha256(folder / name) != sha256]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, BackboneError):
            raise
        raise BackboneError(
            f"The backbone in {str(folder)!r} cannot be read ({type(error).__name__}: {error}). "
            f"Copy the whole folder again, or train again."
        ) from error
    if changed or {name for name, _ in card.files} - {TRAINED} != {NETWORK, WEIGHTS}:
        raise BackboneError(
            f"The backbone in {str(folder)!r} is not as it was written: {', '.join(changed) or 'files'} "
            "changed. Copy the whole folder again, or train again."
        )
    return card


def _parse(content: dict[str, object]) -> BackboneCard:
    version = content.pop("format")
    if not isinstance(version, int) or version > CARD_FORMAT:
        raise BackboneError(
            f"The backbone has format {version!r}; this fovea reads up to {CARD_FORMAT}. "
            f"Update it: pip install --upgrade fovea-vision."
        )
    fields: dict[str, object] = dict(content)
    fields["stages"] = tuple(Stage(**stage) for stage in content["stages"])  # type: ignore[attr-defined]
    fields["preprocess"] = Preprocess(**content["preprocess"])  # type: ignore[arg-type]
    for key in ("class_names", "notes"):  # older cards have none
        fields[key] = tuple(content.get(key, ()))  # type: ignore[arg-type]
    fields["files"] = tuple((name, sha256) for name, sha256 in content["files"])  # type: ignore[attr-defined]
    return BackboneCard(**fields)  # type: ignore[arg-type]


def file_sha256(file: Path) -> str:
    """Return the sha256 of a file's content in 64 hex digits. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
