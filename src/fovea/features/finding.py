"""What a backbone's name means: the embedded one, a well-known ONNX file, a library's network, a file, a run.

Out comes a folder with the network in the runtime's form. What has to be converted is converted once and kept in the
cache folder. Nothing is downloaded here but official weights of a library's network, by that library.
"""

import atexit
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate, pairwise
from pathlib import Path

from fovea.errors import BackboneError, InputError, MissingInputError
from fovea.features.card import CARD, CARD_FORMAT, NETWORK, BackboneCard, file_sha256, read_card, write_card
from fovea.features.encoder import Stage, fingerprint_of
from fovea.features.folder import cache_folder, write_whole
from fovea.features.known import EMBEDDED, KNOWN, KnownFile, is_published, on_disk, weights_folders
from fovea.features.outline import ONNX_VERSION, OnnxFacts, Outline, facts_of, read_outline
from fovea.features.runs import open_run_backbone
from fovea.nets import find_weights, stages_version

LIBRARIES = ("timm:", "torchvision:", "keras:")
_EMBEDDED = Path(__file__).parent / "tiny"
_KERAS_FILES = {".keras", ".h5"}


def find_backbone(
    weights: Path | None = None,
    backbone: str | None = None,
    *,
    stages: tuple[str, ...] = (),
    offline: bool = True,
) -> tuple[Path, BackboneCard]:
    """Return the folder and card of what `weights` and `backbone` name; the embedded network where neither does.

    Raises InputError, MissingInputError, BackboneError, MissingExtraError.
    """
    if weights is not None:
        return _of_file(weights, backbone, stages=stages, offline=offline)
    name = backbone or EMBEDDED
    if name == EMBEDDED:
        return _chosen(*_embedded(), stages=stages)
    if name.startswith(LIBRARIES):
        return _of_library(name, None, stages=stages, offline=offline)
    if name in KNOWN:
        return _of_known(KNOWN[name], stages=stages)
    if "/" in name or Path(name).exists():
        return _chosen(*_of_run(Path(name)), stages=stages)
    raise InputError(unknown_backbone(name))


@dataclass(frozen=True, slots=True)
class Shown:
    """A stage that a network can give: its channels, the height and width of its maps (None: it has no space).

    `is_usual` tells whether it is taken where nothing is said.
    """

    name: str
    n_channels: int
    size_px: tuple[int, int] | None
    is_usual: bool
    aliases: tuple[str, ...] = ()


def list_backbone_stages(name: str) -> tuple[Shown, ...]:
    """Return the stages of what `name` names (as in `find_backbone`, an .onnx or .keras file), in the order of computing.

    Raises as `find_backbone` does.
    """
    if name.startswith(LIBRARIES) or name.endswith(".keras"):
        from fovea.nets import list_stages, usual_stages

        usual = {stage.rpartition(":")[0] for stage in usual_stages(name)}
        return tuple(Shown(stage, n, size, stage in usual) for stage, n, size in list_stages(name))
    if name in KNOWN or name.lower().endswith(".onnx"):
        return _onnx_stages(name)
    _, card = find_backbone(backbone=name)
    return tuple(Shown(one.name, one.stop - one.start, None, is_usual=True) for one in card.stages)


def list_converted() -> list[tuple[str, str, int, Path]]:
    """Return name, licence, size in bytes and folder of the embedded network, then of libraries' networks kept here."""
    found: dict[str, tuple[str, str, int, Path]] = {}
    for folder in (_EMBEDDED, *sorted((cache_folder() / "backbones").glob("[!.]*"))):
        try:
            card = read_card(folder)
            n_bytes = sum(one.stat().st_size for one in folder.iterdir())
        except (BackboneError, OSError):
            continue
        if folder == _EMBEDDED or (card.name.startswith(LIBRARIES) and not card.name.endswith(")")):
            found.setdefault(card.name, (card.name, card.licence, n_bytes, folder))
    return list(found.values())


def place_of(known: KnownFile) -> Path | None:
    """Return where a network of the catalogue is on this computer: its file, or the folder it was converted to."""
    return on_disk(known) or next(
        (one for one in [_folder_of(_identity_of(known, ()))] if one.is_dir()), None
    )


def require_backbone(name: str) -> None:
    """Raise InputError, MissingInputError, ModelError or BackboneError where `name` cannot be opened as it stands."""
    if name in KNOWN:
        if place_of(KNOWN[name]) is None:
            raise MissingInputError(_not_here(KNOWN[name]))
    elif not name.startswith(LIBRARIES) or name in LIBRARIES:
        find_backbone(backbone=name)


def _onnx_stages(name: str) -> tuple[Shown, ...]:
    from fovea.features.onnx import list_onnx_layers

    known = KNOWN.get(name)
    file = Path(name) if known is None else on_disk(known)
    if file is None:
        raise MissingInputError(_not_here(KNOWN[name]))
    outline = read_outline(file)
    layers, taken = list_onnx_layers(outline, facts_of(outline, known))
    usual = {one.layer.tensor for one in taken}
    return tuple(
        Shown(one.name, one.n_channels, one.size, one.tensor in usual, one.aliases) for one in layers
    )


def _embedded() -> tuple[Path, BackboneCard]:
    if not _EMBEDDED.is_dir():
        raise BackboneError(
            "this build holds no embedded backbone. Name another: --weights FILE.safetensors."
        )
    return _EMBEDDED, read_card(_EMBEDDED)


def _of_run(run: Path) -> tuple[Path, BackboneCard]:
    """Return the backbone of a run, or of a folder that is one."""
    return (run, read_card(run)) if (run / CARD).is_file() else open_run_backbone(run)


def _of_file(
    weights: Path, backbone: str | None, *, stages: tuple[str, ...], offline: bool
) -> tuple[Path, BackboneCard]:
    library = (backbone or "").startswith(LIBRARIES)
    kind = weights.suffix.lower()
    if kind == ".onnx" and not library:
        if backbone is not None and backbone not in KNOWN:
            raise InputError(_takes_no_file(backbone, weights))
        return _of_onnx(weights, KNOWN.get(backbone or ""), stages=stages)
    sha256 = _sha256(weights)
    if library or (kind in _KERAS_FILES and backbone is None):
        return _of_library(backbone or "keras:", weights, stages=stages, offline=offline, sha256=sha256)
    if backbone is not None:
        raise InputError(_takes_no_file(backbone, weights))

    def convert(empty: Path) -> None:
        from fovea.features.convert import convert_weights

        convert_weights(weights, empty, sha256=sha256, stages=stages)

    return _kept({"weights": sha256, "stages": stages, "places": stages_version()}, convert)


def _of_onnx(file: Path, known: KnownFile | None, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    from fovea.features.onnx import convert_onnx

    outline = read_outline(file)
    sha256 = outline.sha256()
    published = next((one for one in KNOWN.values() if one.sha256 == sha256), None)
    facts = facts_of(outline, published or known)
    if known and published is None:  # scaled as that network is, but not its weights
        facts = dataclasses.replace(facts, name=file.stem, licence="unknown", source=file.name)

    def convert(empty: Path) -> None:
        convert_onnx(outline, empty, facts=facts, sha256=sha256, stages=stages)

    return _kept(_onnx_identity(facts, sha256, stages), convert)


def _of_known(known: KnownFile, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    """Return a network of the catalogue, from the converted folder or the file, whose content must be the right one."""
    from fovea.features.onnx import convert_onnx

    def convert(empty: Path) -> None:
        file = on_disk(known)
        if file is None:
            raise MissingInputError(_not_here(known))
        if not is_published(file, known):
            raise BackboneError(
                f"{str(file)!r} is not {known.file} as it was published: its SHA-256 is another. Delete it and give: "
                f"fovea backbones get {known.name}. To use it as it is: --weights {file}."
            )
        outline = read_outline(file)
        convert_onnx(outline, empty, facts=facts_of(outline, known), sha256=known.sha256, stages=stages)

    return _kept(_identity_of(known, stages), convert)


def _identity_of(known: KnownFile, stages: tuple[str, ...]) -> dict[str, object]:
    """Return what tells one conversion of a network of the catalogue from another; its file is not needed for that."""
    return _onnx_identity(facts_of(Outline(Path(known.file)), known), known.sha256, stages)


def _of_library(
    spec: str, weights: Path | None, *, stages: tuple[str, ...], offline: bool, sha256: str = ""
) -> tuple[Path, BackboneCard]:
    """Return a network of timm, torchvision or Keras with its official weights, or those of a file."""
    if weights is None:
        weights = find_weights(spec, weights_folders())
        sha256 = "" if weights is None else _sha256(weights)

    def convert(empty: Path) -> None:
        from fovea.features.convert import convert_named

        convert_named(spec, empty, weights=weights, stages=stages, offline=offline)

    return _kept({"spec": spec, "weights": sha256, "stages": stages, "places": stages_version()}, convert)


def _chosen(folder: Path, card: BackboneCard, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    """Return a network that is converted already, or one cut from it that gives these of its stages only."""
    if not stages:
        return folder, card
    wanted = dict.fromkeys(_own_stage(card, name) for name in stages)

    def convert(empty: Path) -> None:
        from fovea.features.openvino import write_columns

        write_columns(folder / NETWORK, empty / NETWORK, [(one.start, one.stop) for one in wanted])
        edges = [0, *accumulate(one.stop - one.start for one in wanted)]
        cut = [Stage(one.name, *edge) for one, edge in zip(wanted, pairwise(edges), strict=True)]
        write_card(empty, dataclasses.replace(card, stages=tuple(cut)))

    identity = {"files": card.files, "columns": [dataclasses.asdict(one) for one in wanted]}
    return _kept(identity, convert)


def _own_stage(card: BackboneCard, name: str) -> Stage:
    for stage in card.stages:
        if name in (stage.name, stage.name.rpartition(":")[0]):
            return stage
    raise InputError(
        f"{card.name!r} has no stage {name!r}; it has {', '.join(stage.name for stage in card.stages)}."
    )


def _onnx_identity(facts: OnnxFacts, sha256: str, stages: tuple[str, ...]) -> dict[str, object]:
    return {
        "onnx": ONNX_VERSION,
        "weights": sha256,
        "stages": stages,
        "scaling": [facts.name, facts.size_px, facts.mean, facts.std],
    }


def _kept(identity: Mapping[str, object], convert: Callable[[Path], None]) -> tuple[Path, BackboneCard]:
    """Return folder and card of a converted network, converting it where there is no whole folder."""
    folder = _folder_of(identity)
    if folder.is_dir():
        try:
            return folder, read_card(folder)
        except BackboneError:
            shutil.rmtree(folder, ignore_errors=True)  # cut off by a power failure, say: made again below
    try:
        write_whole(folder, convert)
    except OSError:  # a cache folder that cannot be written: for this process only
        folder = Path(tempfile.mkdtemp(prefix="fovea-backbone-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        convert(folder)
    return folder, read_card(folder)


def _folder_of(identity: Mapping[str, object]) -> Path:
    return cache_folder() / "backbones" / fingerprint_of({**identity, "format": CARD_FORMAT})[:32]


def _sha256(weights: Path) -> str:
    try:
        return file_sha256(weights)
    except OSError as error:
        raise MissingInputError(
            f"the weights file {str(weights)!r} cannot be read: {error.strerror}. "
            "Check the path after --weights."
        ) from error


def _takes_no_file(backbone: str, weights: Path) -> str:
    return (
        f"the backbone {backbone!r} cannot take its weights from {str(weights)!r}. A .safetensors, .pth or .pt file goes with "
        "--backbone timm:NAME or torchvision:NAME, an .onnx file with a name of the catalogue or none."
    )


def _not_here(known: KnownFile) -> str:
    """Say that a file of the catalogue is missing, and where others of its name lie."""
    looked = " and ".join(repr(str(folder)) for folder in weights_folders())
    here = ", ".join([EMBEDDED, *(name for name, one in KNOWN.items() if place_of(one))])
    return (
        f"the backbone {known.name!r} is not on this computer: no {known.file} of {known.n_bytes:,} bytes in {looked}. "
        f"Download it ({known.n_bytes / 1e6:.1f} MB): fovea backbones get {known.name}. Here are: {here}."
    )


def unknown_backbone(name: str) -> str:
    """Return what to tell of a name that means nothing; the closest one is offered."""
    names = [EMBEDDED, *KNOWN]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    return (
        f"there is no backbone {name!r}, and no run at this path. {hint} Networks of libraries are named timm:NAME, "
        "torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used."
    )
