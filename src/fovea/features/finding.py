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

from fovea.errors import BackboneError, InputError, MissingExtraError, MissingInputError
from fovea.features.card import CARD, CARD_FORMAT, NETWORK, BackboneCard, file_sha256, read_card, write_card
from fovea.features.encoder import Stage, fingerprint_of
from fovea.features.folder import cache_folder, write_whole
from fovea.features.known import EMBEDDED, KNOWN, KnownFile, is_published, on_disk, weights_folders
from fovea.features.outline import ONNX_VERSION, OnnxFacts, Outline, facts_of, read_outline
from fovea.features.runs import open_run_backbone
from fovea.nets import Shown, check_spec, find_weights, list_described, list_stages, stages_version

LIBRARIES = ("timm:", "torchvision:", "keras:")
_EMBEDDED = Path(__file__).parent / "tiny"
_SELF_TOLD = {".safetensors", ".onnx", ".keras"}
_TENSORS = {".pth", ".pt", ".bin", ".h5"}  # of a network that has to be named too
_PICKLES = {".pkl", ".pickle", ".joblib"}


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
    if backbone is not None and not backbone.strip():
        raise InputError(
            f"The backbone's name is empty. Leave --backbone out for {EMBEDDED}, or name one that `fovea backbones` lists."
        )
    if weights is not None:
        return _of_file(weights, backbone, stages=stages, offline=offline)
    name = backbone or EMBEDDED
    if name == EMBEDDED:
        return _chosen(*_embedded(), stages=stages)
    if name.startswith(LIBRARIES):
        return _of_library(name, None, stages=stages, offline=offline)
    if name in KNOWN:
        return _of_known(KNOWN[name], stages=stages)
    if is_weights_file(name):
        raise InputError(f"The backbone {name!r} is a file of weights. Give it as that: --weights {name}.")
    if "/" in name or _is_there(name):
        return _chosen(*_of_run(Path(name)), stages=stages)
    raise InputError(unknown_backbone(name))


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # longer than a name may be
        return False


def is_weights_file(name: str) -> bool:
    """Return whether `name` is that of a file of weights, by its ending; whether there is one is another question."""
    endings = _SELF_TOLD | _TENSORS | _PICKLES
    return Path(name).suffix.lower() in endings and not name.startswith(LIBRARIES) and not Path(name).is_dir()


def list_backbone_stages(name: str) -> tuple[Shown, ...]:
    """Return the stages of what `name` names (as in `find_backbone`, or a file), in the order of computing.

    Raises as `find_backbone` does.
    """
    if is_weights_file(name):
        _require_self_told(Path(name))
    if name in KNOWN or name.lower().endswith(".onnx"):
        return _onnx_stages(name)
    if name.startswith(LIBRARIES) or is_weights_file(name):
        return list_stages(name)
    _, card = find_backbone(backbone=name)
    return tuple(Shown(one.name, one.stop - one.start, None, is_usual=True) for one in card.stages)


def list_converted() -> list[tuple[str, str, int, Path]]:
    """Return name, licence, size in bytes and folder of the embedded network, then of libraries' networks kept here.

    Those that can be opened by their name alone: what was converted for chosen stages or another's weights is not.
    """
    found = []
    for folder in (_EMBEDDED, *sorted((cache_folder() / "backbones").glob("[!.]*"))):
        try:
            card = read_card(folder)
            n_bytes = sum(one.stat().st_size for one in folder.iterdir())
        except (BackboneError, OSError):
            continue
        if folder in (_EMBEDDED, _folder_of(_library_identity(card.name, "", ()))):
            found.append((card.name, card.licence, n_bytes, folder))
    return found


def list_own_weights() -> list[tuple[str, str, int, Path]]:
    """Return name, licence, size in bytes and path of weights in FOVEA_WEIGHTS that say which library's network they are."""
    return [
        (f"{card.library}:{card.architecture}", card.licence, file.stat().st_size, file)
        for file, card in list_described(weights_folders())
    ]


def place_of(known: KnownFile) -> Path | None:
    """Return where a network of the catalogue is on this computer: its file, or the folder it was converted to."""
    return on_disk(known) or _converted(_identity_of(known, ()))


def _converted(identity: Mapping[str, object]) -> Path | None:
    """Return the folder of what was converted, or None where there is none, or none that is whole."""
    folder = _folder_of(identity)
    try:
        read_card(folder)
    except BackboneError:
        return None
    return folder


def require_backbone(name: str) -> None:
    """Raise what `find_backbone` does where `name`, or the file of weights called so, cannot be opened as it stands.

    Of a library's network the name is checked, and nothing fetched; MissingExtraError where that cannot be done here.
    """
    if name in KNOWN:
        if place_of(KNOWN[name]) is None:
            raise MissingInputError(_not_here(KNOWN[name]))
    elif is_weights_file(name):
        _require_self_told(Path(name))
        find_backbone(Path(name))
    elif not name.startswith(LIBRARIES):
        find_backbone(backbone=name)
    elif _converted(_library_identity(name, "", ())) is None:
        try:
            check_spec(name)
        except MissingExtraError as error:
            library = name.partition(":")[0]
            raise MissingExtraError(
                f"Whether there is a network {name!r} cannot be checked: {library} is not ready here, and no network of this "
                f"name was converted on this computer. {error}"
            ) from error


def _require_self_told(file: Path) -> None:
    """Raise MissingInputError where there is no such file, InputError where it cannot say which network it holds."""
    if not file.is_file():
        raise MissingInputError(
            f"There is no file {str(file)!r}. Check its path; `fovea backbones` lists the networks that have a name."
        )
    _refuse_pickle(file)
    if file.suffix.lower() in _TENSORS:
        is_keras = file.suffix.lower() == ".h5"
        library = "keras" if is_keras else "torchvision"
        whole = " A whole model in it: save it again with model.save('NAME.keras')." if is_keras else ""
        raise InputError(
            f"{str(file)!r} holds tensors, and does not say which network they belong to. Name that where you use them: "
            f"--backbone {library}:NAME --weights {file}. Its stages: fovea backbones show {library}:NAME.{whole}"
        )


def _refuse_pickle(file: Path) -> None:
    if file.suffix.lower() in _PICKLES:
        raise InputError(
            f"{str(file)!r} is a pickle by its name. A pickle can run code when it is opened, so it was not. Weights are read "
            "from .safetensors, .onnx and .keras files, and from .pth, .pt and .bin files that hold tensors alone: "
            "torch.save(network.state_dict(), FILE)."
        )


def _onnx_stages(name: str) -> tuple[Shown, ...]:
    from fovea.features.onnx import list_onnx_layers

    known = KNOWN.get(name)
    file = Path(name) if known is None else on_disk(known)
    if file is None:
        raise MissingInputError(_not_here(KNOWN[name]))
    outline = read_outline(file)
    layers, taken = list_onnx_layers(outline, facts_of(outline, known))
    usual = {one.layer.tensor: tuple(two.pool for two in taken if two.layer == one.layer) for one in taken}
    return tuple(
        Shown(one.name, one.n_channels, one.size, one.tensor in usual, one.aliases, usual.get(one.tensor, ()))
        for one in layers
    )


def _embedded() -> tuple[Path, BackboneCard]:
    if not _EMBEDDED.is_dir():
        raise BackboneError(
            "This build holds no embedded backbone. Name another: --weights FILE.safetensors."
        )
    return _EMBEDDED, read_card(_EMBEDDED)


def _of_run(run: Path) -> tuple[Path, BackboneCard]:
    """Return the backbone of a run, or of a folder that is one."""
    return (run, read_card(run)) if (run / CARD).is_file() else open_run_backbone(run)


def _of_file(
    weights: Path, backbone: str | None, *, stages: tuple[str, ...], offline: bool
) -> tuple[Path, BackboneCard]:
    _refuse_pickle(weights)
    library = (backbone or "").startswith(LIBRARIES)
    kind = weights.suffix.lower()
    if kind == ".onnx" and not library:
        if backbone is not None and backbone not in KNOWN:
            raise InputError(_takes_no_file(backbone, weights))
        return _of_onnx(weights, KNOWN.get(backbone or ""), stages=stages)
    if kind == ".h5" and backbone is None:
        _require_self_told(weights)
    sha256 = _sha256(weights)
    if library or (kind == ".keras" and backbone is None):
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

    return _kept(_library_identity(spec, sha256, stages), convert)


def _library_identity(spec: str, sha256: str, stages: tuple[str, ...]) -> dict[str, object]:
    """Return what tells one conversion of a library's network from another; capitals mean nothing to keras' names."""
    spec = spec.lower() if spec.startswith("keras:") else spec
    return {"spec": spec, "weights": sha256, "stages": stages, "places": stages_version()}


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
            f"The weights file {str(weights)!r} cannot be read: {error.strerror}. "
            "Check the path after --weights."
        ) from error


def _takes_no_file(backbone: str, weights: Path) -> str:
    return (
        f"The backbone {backbone!r} cannot take its weights from {str(weights)!r}. A .safetensors, .pth or .pt file goes with "
        "--backbone timm:NAME or torchvision:NAME, an .onnx file with a name of the catalogue or none."
    )


def _not_here(known: KnownFile) -> str:
    """Say that a file of the catalogue is missing, and where others of its name lie."""
    looked = " and ".join(repr(str(folder)) for folder in weights_folders())
    own = (name for name, *_ in list_own_weights())
    here = ", ".join([EMBEDDED, *(name for name, one in KNOWN.items() if place_of(one)), *dict.fromkeys(own)])
    return (
        f"The backbone {known.name!r} is not on this computer: no {known.file} of {known.n_bytes:,} bytes in {looked}. "
        f"Download it ({known.n_bytes / 1e6:.1f} MB): fovea backbones get {known.name}. Here are: {here}."
    )


def unknown_backbone(name: str) -> str:
    """Return what to tell of a name that means nothing; the closest one is offered."""
    names = [EMBEDDED, *KNOWN]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    return (
        f"There is no backbone {name!r}, and no run at this path. {hint} Networks of libraries are named timm:NAME, "
        "torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used."
    )
