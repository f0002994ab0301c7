"""`map`: pictures laid out in two dimensions by their features, on one page with small pictures, zoom and colours."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import EMBEDDED, open_store
from fovea.learn.layout import LAYOUTS, lay_out, neighbours_kept, require_layout
from fovea.learn.space import compare_in
from fovea.manifest import Manifest, without_documents
from fovea.progress import Progress, silent
from fovea.tasks.backbones import with_default
from fovea.tasks.gather import add_hashes
from fovea.tasks.map_page import require_labels, write_page
from fovea.tasks.options import BackboneOptions, SourceOptions, check_choice, configure
from fovea.tasks.stored import (
    Stored,
    last_columns,
    open_network,
    read_pictures,
    read_stored,
    require_some,
    units_of_stored,
)
from fovea.tasks.train.taught import taught_by
from fovea.tasks.written import require_free

if TYPE_CHECKING:
    from fovea.features import Encoder
    from fovea.model import Classifier


@dataclass(frozen=True, slots=True)
class Config:
    """What to lay out and how; `fovea map` has an option for each.

    `method` is "pca", or "tsne" with the extra `map`. `run` names a trained run whose answers colour the map;
    with `suspicion` the probability of each given label does, from probes that had not seen the picture.
    """

    photos: Path
    html: Path = Path("map.html")
    method: str = "pca"
    run: Path | None = None
    suspicion: bool = False
    private: bool = False
    source: SourceOptions = field(default_factory=SourceOptions)
    network: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The page that was written, and where each picture lies: `places` float32 (m, 2), in the order of `paths`.

    `neighbours_kept`: of the 10 pictures nearest to each by their features, the share that is so on the map too.
    `tile_px` is the side of the small pictures, 0 where the page holds none; `n_bytes` the size of the page.
    """

    html: str
    method: str
    paths: tuple[str, ...]
    places: NDArray[np.float32] = field(repr=False)
    neighbours_kept: float
    colours: tuple[str, ...]
    quarantined: tuple[tuple[str, str], ...]
    tile_px: int
    n_bytes: int
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea map --json` prints."""
        return {
            "html": self.html,
            "method": self.method,
            "n_pictures": len(self.paths),
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "neighbours_kept": self.neighbours_kept,
            "colours": list(self.colours),
            "tile_px": self.tile_px,
            "n_bytes": self.n_bytes,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def map_pictures(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Lay the pictures of a folder or table out on a page, `html`.

    `settings`: any field of `Config` or of its groups by name, such as `method`, `backbone`, `label_by`. Raises as `run` does.
    """
    return run(configure(Config, {"photos": Path(photos), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Lay out as `config` says.

    Raises:
        InputError: fewer than two pictures, an unknown method, or labels to suspect where there are none or where the network was
            trained on them.
        MissingExtraError: the extra `map` is needed.
        ModelError: the run is refused.
        OutputError: the page cannot be written, or something is there already.
    """
    begun = time.perf_counter()
    check_choice("--method", config.method, LAYOUTS)
    require_layout(config.method)
    require_free(config.html, option="--html")
    manifest = read_pictures(config.photos, config.source, labelled=True if config.suspicion else None)
    manifest = without_documents(manifest)
    if config.suspicion:
        require_labels([row.label for row in manifest.rows if not row.problem], photos=config.photos)
    encoder, model, notes = _network(config, progress=progress)
    with open_store() as store:
        if config.suspicion:
            manifest = add_hashes(manifest, store, threads=config.network.threads, progress=progress)
            _require_untaught(config, manifest)
        stored = read_stored(
            manifest,
            encoder=encoder,
            store=store,
            columns=None if model or config.suspicion else last_columns,
            threads=config.network.threads,
            progress=progress,
        )
        units = (
            units_of_stored(stored, store=store, threads=config.network.threads, with_near=True)[stored.rows]
            if config.suspicion
            else None
        )
    require_some(stored, at_least=2, photos=config.photos, to_do="a map")
    threads = config.network.threads
    rows = compare_in(_compared(stored), seed=config.seed)
    progress("map", 0, 1)
    places = lay_out(rows, method=config.method, seed=config.seed, threads=threads)
    kept = neighbours_kept(rows, places, seed=config.seed, threads=threads)
    progress("map", 1, 1)
    page, n_bytes = write_page(
        config,
        stored,
        rows=rows,
        places=places,
        kept=kept,
        model=model,
        units=units,
        notes=notes,
        progress=progress,
    )
    return Result(
        html=str(config.html),
        method=config.method,
        paths=stored.paths,
        places=places,
        neighbours_kept=kept,
        colours=tuple(one.title for one in page.colourings),
        quarantined=page.quarantined,
        tile_px=page.tile_px if page.sheets else 0,
        n_bytes=n_bytes,
        seconds=time.perf_counter() - begun,
        notes=page.notes,
    )


def _network(config: Config, *, progress: Progress) -> "tuple[Encoder, Classifier | None, tuple[str, ...]]":
    if config.run is None:
        encoder, notes = open_network(config.network, progress=progress)
        return encoder, None, notes
    from fovea.model import Classifier, load_model

    network = config.network
    if replace(network, threads=None, offline=False) != BackboneOptions():
        raise InputError(
            "--run colours by the answers of a run, which has its own network and its own way to use it. Leave out --backbone, "
            "--weights, --stage, --compute, --fit and --size."
        )
    model = load_model(config.run, threads=network.threads)
    if not isinstance(model, Classifier):
        raise InputError(
            f"The run in {str(config.run)!r} tells no classes, so it cannot colour a map. Name a run of classes."
        )
    return model.encoder, model, ()


def _require_untaught(config: Config, manifest: Manifest) -> None:
    """Raise InputError where the network was trained on labels that it would help to judge."""
    network = config.run or with_default(config.network)[0].backbone
    taught = taught_by(network)
    labelled = [row for row in manifest.rows if row.label is not None and row.sha256]
    n_taught = sum(row.sha256 in taught for row in labelled)
    if n_taught:
        raise InputError(
            f"--suspicion judges labels by probes that have not seen them, and the network of {str(network)!r} was trained on "
            f"{n_taught:,} of these {len(labelled):,} files with their labels. Leave out --suspicion, or take another network"
            f"{' instead of --run' if config.run else ''}, such as --backbone {EMBEDDED}."
        )


def _compared(stored: Stored) -> NDArray[np.float32]:
    """Return the columns that pictures are compared by, where all were read or these alone."""
    if stored.features.shape[1] < stored.encoder.n_features:
        return stored.features
    return stored.features[:, last_columns(stored.encoder)]
