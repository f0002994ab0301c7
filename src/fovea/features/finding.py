"""What a backbone's name means: the embedded one, a well-known ONNX file, a library's network, a file, a run.

Out comes a folder with the network in the runtime's form. What has to be converted is converted once and kept in the
cache folder. Nothing is downloaded here but official weights of a library's network, by that library.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from fovea.errors import BackboneError, InputError, MissingInputError
from fovea.features.card import CARD, CARD_FORMAT, BackboneCard, file_sha256, read_card
from fovea.features.encoder import fingerprint_of
from fovea.features.folder import cache_folder, write_whole
from fovea.features.known import EMBEDDED, KNOWN, KnownFile, on_disk, weights_folders
from fovea.features.runs import open_run_backbone
from fovea.nets import stages_version

LIBRARIES = ("timm:", "torchvision:", "keras:")
_EMBEDDED = Path(__file__).parent / "tiny"
_TORCH_FILES = (".safetensors", ".pth", ".pt")


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
    sha256 = _sha256(weights)
    if weights.suffix == ".onnx":
        raise BackboneError("ONNX files follow")
    if weights.suffix in {".keras", ".h5"} or (backbone or "").startswith(LIBRARIES):
        return _of_library(backbone or "keras:", weights, stages=stages, offline=offline, sha256=sha256)
    if backbone is not None:
        raise InputError(f"{backbone!r} takes no weights of its own. Leave out --backbone, or --weights.")

    def convert(empty: Path) -> None:
        from fovea.features.convert import convert_weights

        convert_weights(weights, empty, sha256=sha256)

    return _kept({"weights": sha256, "stages": stages}, convert)


def _of_library(
    spec: str, weights: Path | None, *, stages: tuple[str, ...], offline: bool, sha256: str = ""
) -> tuple[Path, BackboneCard]:
    def convert(empty: Path) -> None:
        from fovea.features.convert import convert_named  # type: ignore[attr-defined]

        convert_named(spec, empty, weights=weights, stages=stages, offline=offline)

    return _kept({"spec": spec, "weights": sha256, "stages": stages}, convert)


def _of_known(known: KnownFile, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    file = on_disk(known)
    if file is None:
        raise MissingInputError(_not_here(known))
    return _of_file(file, known.name, stages=stages, offline=True)


def _chosen(folder: Path, card: BackboneCard, *, stages: tuple[str, ...]) -> tuple[Path, BackboneCard]:
    if stages:
        raise InputError(f"--stage cannot choose among the stages of {card.name!r}.")
    return folder, card


def _kept(identity: dict[str, object], convert: Callable[[Path], None]) -> tuple[Path, BackboneCard]:
    """Return folder and card of a converted network, converting it where there is no whole folder."""
    key = fingerprint_of({**identity, "places": stages_version(), "format": CARD_FORMAT})[:32]
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
