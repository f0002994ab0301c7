"""Which networks can be used and which are here; fetching a well-known one; choosing one's default; showing stages."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fovea.errors import InputError
from fovea.features import (
    EMBEDDED,
    KNOWN,
    Encoder,
    Shown,
    config_file,
    is_published,
    is_weights_file,
    list_backbone_stages,
    list_converted,
    list_own_weights,
    on_disk,
    open_backbone,
    place_of,
    read_default,
    require_backbone,
    unknown_backbone,
    write_default,
)
from fovea.progress import Progress, silent
from fovea.tasks.option_values import parse_size
from fovea.tasks.options import BackboneOptions

ACTIONS = ("list", "get", "use", "show")


@dataclass(frozen=True, slots=True)
class Config:
    """What to do: "list", or "get", "use" or "show" the backbone `name`; `fovea backbones` has the same words.

    With "list", `name` is a part of the names to list. `source`: a file to take instead of downloading it, or another address.
    """

    action: str = "list"
    name: str | None = None
    source: str | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A backbone: whether it is on this computer and where, its size as a file, and whether it is the default."""

    name: str
    is_here: bool
    is_default: bool
    n_bytes: int
    licence: str
    place: str


@dataclass(frozen=True, slots=True)
class Result:
    """The backbones there are, the default, what was fetched, and the stages of the one that was asked for."""

    action: str
    name: str
    default: str
    config: Path
    backbones: tuple[Listed, ...] = ()
    file: Path | None = None
    stages: tuple[Shown, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "action": self.action,
            "name": self.name,
            "default": self.default,
            "config": str(self.config),
            "backbones": [asdict(one) for one in self.backbones],
            "file": None if self.file is None else str(self.file),
            "stages": [
                {
                    **asdict(one),
                    "size_px": one.size_px and list(one.size_px),
                    "aliases": list(one.aliases),
                    "pools": list(one.pools),
                }
                for one in self.stages
            ],
        }

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        rows = [
            (one.name, f"{one.n_bytes / 1e6:,.1f} MB, {one.licence}, {one.place}") for one in self.backbones
        ]
        rows += [(one.name, f"{one.n_channels:,}") for one in self.stages]
        return render_facts_fragment(f"Default: {self.default}.", facts=rows, sentences=())


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Do what `config` says.

    Raises:
        InputError: an unknown name, or none where one is needed; a download under `offline`.
        BackboneError: the file cannot be had, or is another one; a network that cannot be read.
        OutputError: the file or the settings cannot be written.
        MissingExtraError: a network of a library that is not installed.
    """
    if config.action not in ACTIONS:
        raise InputError(f"There is no action {config.action!r}. Use one of: {', '.join(ACTIONS)}.")
    if config.action != "list" and not config.name:
        raise InputError(
            f"Which one? For example: fovea backbones {config.action} {_example(config.action)}."
        )
    if config.source is not None and config.action != "get":
        raise InputError(
            "--from says where `fovea backbones get` takes a file from. Give: fovea backbones get NAME."
        )
    name = config.name or ""
    done = Result(config.action, name, read_default() or EMBEDDED, config_file())
    if config.action == "get":
        return replace(done, file=_get(config, name, progress=progress))
    if config.action == "use":
        return replace(done, default=_use(name))
    if config.action == "show":
        return replace(done, stages=list_backbone_stages(name))
    return replace(done, backbones=_listed(done.default, part=name))


def with_default(options: BackboneOptions) -> tuple[BackboneOptions, tuple[str, ...]]:
    """Return the options with the user's default backbone where they name none, and a note that says so.

    Raises InputError where the settings are damaged.
    """
    if options.backbone is not None or options.weights is not None:
        return options, ()
    default = read_default()
    if default is None:
        return options, ()
    note = (
        f"Features are of {Path(default).name!r}, your default (fovea backbones use); --backbone {EMBEDDED} takes the embedded "
        "network."
    )
    if is_weights_file(default):
        return replace(options, weights=Path(default)), (note,)
    return replace(options, backbone=default), (note,)


def open_encoder(options: BackboneOptions) -> Encoder:
    """Return the network that the options name. Raises InputError, BackboneError, MissingExtraError."""
    return open_backbone(
        options.weights,
        backbone=options.backbone,
        stages=options.stages,
        engine=options.engine,
        shape_px=shape_of(options),
        fit=options.fit,
        precision=options.compute,
        threads=options.threads,
        offline=options.offline,
    )


def shape_of(options: BackboneOptions) -> tuple[int, int] | None:
    """Return the (height, width) that is wished, None for the network's own. Raises InputError."""
    if options.size is None:
        return None
    try:
        return parse_size(options.size)
    except ValueError as error:
        raise InputError(f"--size {error}") from None


def _example(action: str) -> str:
    return "mobilenetv2" if action == "get" else EMBEDDED


def _get(config: Config, name: str, *, progress: Progress) -> Path:
    from fovea.features.download import bring, fetch

    known = KNOWN.get(name)
    if known is None:
        raise InputError(_not_to_get(name))
    source = config.source
    is_address = source is not None and source.startswith(("http://", "https://"))
    if source is not None and not is_address:
        return bring(known, Path(source))
    here = on_disk(known)
    if here is not None and is_published(here, known):
        return here
    if config.offline:
        raise InputError(
            f"--offline forbids what `get` does: to open a connection. Leave it out; or bring {known.file} by hand from "
            f"{known.addresses[0]} and give: fovea backbones get {name} --from FILE."
        )
    return fetch(known, addresses=(source,) if is_address and source else (), progress=progress)


def _listed(default: str, *, part: str) -> tuple[Listed, ...]:
    """Return what can be used and the default, as far as `part` is in its name. Raises InputError where it is in none."""
    rows: list[Listed] = []
    for name, licence, n_bytes, place in (*list_converted(), *list_own_weights()):
        if name not in [one.name for one in rows]:
            rows.append(Listed(name, True, name == default, n_bytes, licence, str(place)))
    known = []
    for one in KNOWN.values():
        file = place_of(one)
        found = "" if file is None else str(file)
        known.append(Listed(one.name, bool(file), one.name == default, one.n_bytes, one.licence, found))
    rows[1:1] = known
    if default not in [one.name for one in rows]:
        is_here = Path(default).exists()
        n_bytes = Path(default).stat().st_size if Path(default).is_file() else 0
        rows.append(Listed(default, is_here, True, n_bytes, "", default if is_here else ""))
    listed = tuple(one for one in rows if part.lower() in one.name.lower())
    if not listed:
        raise InputError(
            f"No network in the list has {part!r} in its name. There are: {', '.join(one.name for one in rows)}. Whether a "
            "library has one: fovea backbones show timm:NAME, torchvision:NAME or keras:NAME."
        )
    return listed


def _not_to_get(name: str) -> str:
    if name == EMBEDDED:
        return f"{EMBEDDED!r} is inside this package; there is nothing to download. Use it: --backbone {EMBEDDED}."
    if ":" in name:
        return (
            f"the official weights of {name!r} are fetched by its own library when it is first used: --backbone {name}. "
            f"`fovea backbones get` knows {', '.join(KNOWN)}."
        )
    return unknown_backbone(name)


def _use(name: str) -> str:
    if name == EMBEDDED:
        write_default(None)
        return EMBEDDED
    require_backbone(name)
    is_path = is_weights_file(name) or (name not in KNOWN and ":" not in name)
    name = str(Path(name).absolute()) if is_path else name
    write_default(name)
    return name
