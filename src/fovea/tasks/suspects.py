"""`suspects`: which labels are likely wrong, with the evidence, and how much of the list to expect to be right.

Every labelled picture is judged, whatever its split, by probes that have not seen it and by its nearest neighbours.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import EMBEDDED, open_store
from fovea.judge.planted import Expected
from fovea.learn.suspects import find_suspects
from fovea.manifest import (
    Fix,
    Manifest,
    apply_fixes,
    fold_numbers,
    require_trainable,
)
from fovea.progress import Progress, silent
from fovea.tasks.backbones import with_default
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.stored import Stored, last_columns, open_network, read_pictures, read_stored, units_of_stored
from fovea.tasks.suspects_found import (
    ClassSummary,
    Judged,
    Outlier,
    SuspectLabel,
    list_classes,
    list_outliers,
    list_suspects,
)
from fovea.tasks.suspects_write import fixes_table, write_page
from fovea.tasks.train.prepare import N_FOLDS
from fovea.tasks.train.taught import taught_by
from fovea.tasks.written import require_free, write_whole
from fovea.wording import count, some


@dataclass(frozen=True, slots=True)
class Config:
    """Whose labels to look at, and what to write; `fovea suspects` has an option for each.

    `fixes` is written, for a person to fill; `after` is such a file, filled: its labels hold, its pictures are not asked again,
    and its answers stand in the new `fixes` too.
    """

    photos: Path
    html: Path | None = None
    fixes: Path | None = None
    after: Path | None = None
    label_by: str | None = None
    group_by: str | None = None
    group_pattern: str | None = None
    strict: bool = False
    private: bool = False
    network: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What was found: suspects, the most doubtful first, outliers, classes, and what to expect."""

    suspects: tuple[SuspectLabel, ...]
    outliers: tuple[Outlier, ...]
    classes: tuple[ClassSummary, ...]
    expected: Expected
    vote_weight: float
    n_pictures: int
    quarantined: tuple[tuple[str, str], ...]
    html: str | None
    fixes: str | None
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea suspects --json` prints."""
        expected = self.expected
        return {
            "n_pictures": self.n_pictures,
            "n_suspects": len(self.suspects),
            "n_errors": round(expected.n_errors, 1),
            "n_errors_interval": [round(bound, 1) for bound in expected.n_errors_interval],
            "n_planted": expected.n_planted,
            "yields": [
                {
                    "n": one.n,
                    "precision": round(one.precision, 4),
                    "precision_interval": [round(bound, 4) for bound in one.precision_interval],
                    "recall": round(one.recall, 4),
                    "recall_interval": [round(bound, 4) for bound in one.recall_interval],
                }
                for one in expected.yields
            ],
            "vote_weight": self.vote_weight,
            "suspects": [one.to_json() for one in self.suspects],
            "outliers": [
                {"path": one.path, "label": one.label, "distance": one.distance} for one in self.outliers
            ],
            "classes": {
                one.name: {
                    "n_pictures": one.n_pictures,
                    "n_suspects": one.n_doubted,
                    "suggested": one.suggested or None,
                    "n_suggested": one.n_suggested,
                }
                for one in self.classes
            },
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "html": self.html,
            "fixes": self.fixes,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def suspects(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Find the labels of a folder or table that are likely wrong.

    `settings`: any field of `Config` or of its groups by name, such as `html`, `fixes`, `weights`. Raises as `run` does.
    """
    return run(configure(Config, {"photos": Path(photos), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Look at the labels as `config` says.

    Raises:
        InputError: fewer than two classes with two different pictures each, a table that cannot be used, or a network that was
            trained on these labels.
        OutputError: a file cannot be written, or something is there already.
    """
    begun = time.perf_counter()
    require_free(config.html, option="--html")
    require_free(config.fixes, option="--fixes")
    judged, fixes, told = _read(config, progress=progress)
    stored, paths = judged.stored, {fix.path for fix in fixes}
    answered = np.array([judged.path(row) in paths for row in range(len(judged.at))], np.bool_)
    found = find_suspects(
        stored.features if len(judged.at) == len(stored.rows) else stored.features[judged.at],
        judged.labels,
        compared=judged.compared,
        units=judged.units,
        folds=fold_numbers(judged.labels, units=judged.units, n_folds=N_FOLDS, seed=config.seed),
        class_names=judged.names,
        stages=stored.stages,
        answered=answered,
        seed=config.seed,
        threads=config.network.threads,
        progress=progress,
    )
    judged = replace(judged, compared=judged.compared - judged.compared.mean(axis=0))
    result = Result(
        suspects=list_suspects(judged, found, threads=config.network.threads),
        outliers=list_outliers(judged, found, answered=answered),
        classes=list_classes(judged, found),
        expected=found.expected,
        vote_weight=found.weight,
        n_pictures=len(judged.at),
        quarantined=tuple((row.path, row.problem) for row in stored.manifest.rows if row.problem),
        html=None if config.html is None else str(config.html),
        fixes=None if config.fixes is None else str(config.fixes),
        seconds=0.0,
        notes=(*told, *stored.notes, *judged.notes),
    )
    if config.fixes is not None:
        content, notes = fixes_table(result, answered=fixes)
        write_whole(config.fixes, content, option="--fixes")
        result = replace(result, notes=(*result.notes, *notes))
    if config.html is not None:
        write_page(config, result, stored=stored, progress=progress)
    return replace(result, seconds=time.perf_counter() - begun)


def _read(config: Config, *, progress: Progress) -> tuple[Judged, tuple[Fix, ...], tuple[str, ...]]:
    """Return the labelled pictures with their features, the answers there are, and notes.

    Raises InputError where there are too few pictures, the answers do not fit them, or the network knows their labels.
    """
    source = SourceOptions(
        label_by=config.label_by,
        group_by=config.group_by,
        group_pattern=config.group_pattern,
        strict=config.strict,
    )
    manifest = read_pictures(config.photos, source, labelled=True)
    fixes: tuple[Fix, ...] = ()
    if config.after is not None:
        manifest, fixes = apply_fixes(manifest, config.after)
    require_trainable(manifest)
    encoder, told = open_network(config.network, progress=progress)
    threads = config.network.threads
    with open_store() as store:
        manifest = add_hashes(manifest, store, threads=threads, progress=progress)
        _require_untaught(config, manifest)
        stored = read_stored(manifest, encoder=encoder, store=store, threads=threads, progress=progress)
        require_trainable(stored.manifest)
        last = last_columns(encoder)
        units = units_of_stored(stored, store=store, threads=threads, with_near=True)[stored.rows]
    learned = [row for row in stored.manifest.rows if row.split != "test"]
    names = stored.manifest.with_rows(learned).class_names
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number.get(label or "", -1) for label in stored.labels], np.int64)
    at = np.flatnonzero(labels >= 0)
    compared = stored.features[at, last]
    judged = Judged(
        stored=stored,
        at=at,
        labels=labels[at],
        names=names,
        units=units[at],
        compared=compared,
        notes=(*_of_test_alone(stored, names), *_contradictions(stored.content[at], labels[at])),
    )
    return judged, fixes, told


def _require_untaught(config: Config, manifest: Manifest) -> None:
    """Raise InputError where the network was trained on these labels: it would take the wrong ones for right."""
    network = with_default(config.network)[0].backbone
    taught = taught_by(network)
    rows = [row for row in manifest.rows if row.sha256]
    n_taught = sum(row.sha256 in taught for row in rows)
    if n_taught:
        raise InputError(
            f"The network of the run {network!r} was trained on {n_taught:,} of these {count(len(rows), 'file')} with their "
            "labels, and knows the wrong ones among them by heart: hardly any would be found. Take a network that was not, such as "
            f"--backbone {EMBEDDED}."
        )


def _of_test_alone(stored: Stored, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a note on classes of the test split alone, as of pictures that nobody knows: they are not looked at."""
    others = [label for label in stored.labels if label is not None and label not in names]
    if not others:
        return ()
    which = "a class" if len(set(others)) == 1 else "classes"
    return (
        f"{count(len(others), 'picture')} of {which} that only the test split has ({some(sorted(set(others)))}) "
        f"{'was' if len(others) == 1 else 'were'} not judged.",
    )


def _contradictions(content: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[str, ...]:
    """Return a note on files with the same bytes under several labels: no probability is needed to doubt these."""
    pairs = np.unique(np.stack([content, labels], axis=1), axis=0)
    n = int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())
    if not n:
        return ()
    stand = "stands" if n == 1 else "stand"
    return (
        f"{count(n, 'picture')} {stand} under more than one label, byte for byte the same: fovea check lists them.",
    )
