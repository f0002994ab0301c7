"""What a backbone's name means: the embedded one, a well-known ONNX file, a library's network, a file, a run.

Out comes a folder with the network in the runtime's form. What has to be converted is converted once and kept in the
cache folder. Nothing is downloaded here but official weights of a library's network, by that library.
"""

import atexit
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import BackboneError, InputError, MissingInputError
from fovea.features.card import CARD, CARD_FORMAT, NETWORK, BackboneCard, file_sha256, read_card, write_card
from fovea.features.encoder import Stage, fingerprint_of
from fovea.features.folder import cache_folder, write_whole
from fovea.features.known import EMBEDDED, KNOWN, KnownFile, on_disk, weights_folders
from fovea.features.runs import open_run_backbone
from fovea.nets import find_weights, stages_version

if TYPE_CHECKING:
    from fovea.features.onnx import OnnxFacts

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
    raise InputError(_unknown(name))


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
    from fovea.features.onnx import convert_onnx, facts_of
    from fovea.features.outline import read_outline

    outline = read_outline(file)
    sha256 = outline.sha256()
    facts = facts_of(outline, known or next((one for one in KNOWN.values() if one.sha256 == sha256), None))

    def convert(empty: Path) -> None:
        convert_onnx(outline, empty, facts=facts, sha256=sha256, stages=stages)

    return _kept(_onnx_identity(facts, sha256, stages), convert)


def _of_known(known: KnownFile, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    """Return a network of the catalogue, from the converted folder or the file, whose content must be the right one."""
    from fovea.features.onnx import convert_onnx, facts_of
    from fovea.features.outline import Outline, read_outline

    facts = facts_of(Outline(Path(known.file)), known)

    def convert(empty: Path) -> None:
        file = on_disk(known)
        if file is None:
            raise MissingInputError(_not_here(known))
        found = _sha256(file)
        if found != known.sha256:
            raise BackboneError(
                f"{str(file)!r} is not {known.file} as it was published: its SHA-256 begins with {found[:12]}, and "
                f"{known.sha256[:12]} is right. Delete it and give: fovea backbones get {known.name}. To use it as it is: "
                f"--weights {file}."
            )
        convert_onnx(read_outline(file), empty, facts=facts, sha256=found, stages=stages)

    return _kept(_onnx_identity(facts, known.sha256, stages), convert)


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


def _onnx_identity(facts: "OnnxFacts", sha256: str, stages: tuple[str, ...]) -> dict[str, object]:
    from fovea.features.onnx import ONNX_VERSION

    return {
        "onnx": ONNX_VERSION,
        "weights": sha256,
        "stages": stages,
        "scaling": [facts.name, facts.size_px, facts.mean, facts.std],
    }


def _kept(identity: Mapping[str, object], convert: Callable[[Path], None]) -> tuple[Path, BackboneCard]:
    """Return folder and card of a converted network, converting it where there is no whole folder."""
    key = fingerprint_of({**identity, "format": CARD_FORMAT})[:32]
    folder = cache_folder() / "backbones" / key
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
    looked = " and ".join(repr(str(folder)) for folder in weights_folders())
    here = ", ".join([EMBEDDED, *(name for name, one in KNOWN.items() if on_disk(one))])
    return (
        f"the backbone {known.name!r} is not on this computer: no {known.file} of {known.n_bytes:,} bytes in {looked}. "
        f"Download it ({known.n_bytes / 1e6:.1f} MB): fovea backbones get {known.name}. Here are: {here}."
    )


def _unknown(name: str) -> str:
    names = [EMBEDDED, *KNOWN]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    return (
        f"there is no backbone {name!r}, and no run at this path. {hint} Networks of libraries are named timm:NAME, "
        "torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used."
    )
