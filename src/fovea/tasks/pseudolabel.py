"""`pseudolabel`: a run and unlabelled pictures in; a run that learned from both out, judged on what people labelled.

The surest of the unlabelled pictures are learned from as if they were labelled, in rounds, each kept only where that does not
hurt. The earlier run stays as it is; the new one's manifest marks what was added, with its round and probability.
"""

import time
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fovea.errors import InputError
from fovea.learn import ProbeFit, PseudoFit, Round, fit_pseudo
from fovea.manifest import Manifest, Row, read_manifest, without_documents
from fovea.model import Classifier, load_classifier
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, PromiseOptions, SourceOptions, configure
from fovea.tasks.stored import Stored, read_pictures, read_stored
from fovea.tasks.train import train as training
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.learn import Learned
from fovea.tasks.train.learn import learn as learn_labelled
from fovea.tasks.train.method import Outcome
from fovea.tasks.train.since import Earlier
from fovea.tasks.train.taught import taught_by
from fovea.tasks.written import require_free
from fovea.wording import count, percent

LEAST_FOLDS = 3
MOST_ROUNDS = 5
COLUMNS = ("path", "label", "probability", "round")


@dataclass(frozen=True, slots=True)
class Config:
    """Which run, which unlabelled pictures, where to; `photos` is where the run's pictures lie now, None: where they lay.

    `seed` None is the run's own. What the run was trained with (its promise, `balance`, `views` and the like) is kept.
    """

    run: Path
    unlabelled: Path
    out: Path
    photos: Path | None = None
    rounds: int = 2
    csv: Path | None = None
    html: Path | None = None
    threads: int | None = None
    seed: int | None = None
    private: bool = False


@dataclass(frozen=True)
class Result:
    """The new run, what every round did, and the pictures that were added: (path, label, probability, round).

    `quarantined`: (path, reason) of the unlabelled files that could not be read.
    """

    trained: training.Run
    rounds: tuple[Round, ...]
    added: tuple[tuple[str, str, float, int], ...]
    n_unlabelled: int
    csv: str | None
    html: str | None = None
    quarantined: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    @cached_property
    def model(self) -> Any:
        """The saved classifier, read back from the folder."""
        return self.trained.model

    @property
    def folder(self) -> Path:
        """Where the new run is."""
        return self.trained.folder

    @property
    def text(self) -> str:
        """Return in a sentence what came of it."""
        return tell(self.rounds, n_added=len(self.added), n_unlabelled=self.n_unlabelled)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the keys stand in docs/json.md."""
        return {
            "run": str(self.folder),
            "n_unlabelled": self.n_unlabelled,
            "n_added": len(self.added),
            "rounds": [
                {
                    "round": one.number,
                    "n_added": one.n_added,
                    "accuracy": one.accuracy,
                    "log_loss": one.log_loss,
                    "is_kept": one.is_kept,
                }
                for one in self.rounds
            ],
            "added": [dict(zip(COLUMNS, one, strict=True)) for one in self.added],
            "text": self.text,
            "csv": self.csv,
            "html": self.html,
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "seconds": round(self.seconds, 3),
            "notes": list(self.trained.metrics["notes"]),
            "metrics": self.trained.metrics,
        }


def pseudolabel(
    run: str | Path, unlabelled: str | Path, *, out: str | Path, progress: Progress = silent, **settings: Any
) -> Result:
    """Train a run again, with what is surest about unlabelled pictures added to what people labelled.

    Args:
        run: a saved run of classes; it stays as it is.
        unlabelled: a folder of pictures (its sub-folders are no classes), or a table whose labels are empty or not used.
        out: the folder to write the new run into.
        progress: is told how far each stage is.
        settings: any field of `Config` by name, such as `rounds`, `csv`, `html`, `photos`.

    Raises:
        InputError: the run or the pictures cannot be used, its network was trained on the labelled ones, or these are too
            few to cross-validate.
        OutputError: something is at `out` or `csv` already, or it cannot be written.
    """
    config = configure(Config, {"run": run, "unlabelled": unlabelled, "out": out, **settings})
    return _run(config, progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Train again as `config` says; see `pseudolabel`."""
    return _run(config, progress=progress)


def _run(config: Config, *, progress: Progress) -> Result:
    from fovea.tasks.pseudolabel_write import write_outputs

    begun = time.perf_counter()
    if not 1 <= config.rounds <= MOST_ROUNDS:
        raise InputError(f"--rounds is {config.rounds}; give 1 to {MOST_ROUNDS}.")
    require_free(config.csv, option="--csv")
    require_free(config.html, option="--html")
    model = load_classifier(config.run, threads=config.threads, needed_by="fovea pseudolabel")
    _require_untaught(config.run)
    pictures = without_documents(read_pictures(config.unlabelled, SourceOptions(), labelled=False))
    found: list[_Found] = []

    def learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
        learned = learn_labelled(
            room.config,
            manifest,
            encoder=model.encoder,
            store=room.store,
            earlier=earlier,
            progress=room.progress,
        )
        pool = _pool(pictures, learned, model=model, room=room)
        balance = room.config.balance
        fit = _fit(learned, pool, config=config, model=model, balance=balance, progress=room.progress)
        bad = tuple((row.path, row.problem) for row in pool.manifest.rows if row.problem)
        found.append(_Found(fit.rounds, tuple(_added_rows(pool, fit)), len(pool.rows), bad))
        return Outcome(_with(learned, found[0], head=fit, pool=pool), model.encoder)

    trained = training.run(_training(config, model), learn=learn, networks=(config.run,), progress=progress)
    rounds, rows, n_unlabelled = found[0].rounds, found[0].rows, found[0].n_unlabelled
    added = tuple((row.path, row.label or "", row.probability, row.pseudo_round) for row in rows)
    result = Result(
        trained,
        rounds,
        added,
        n_unlabelled,
        csv=None if config.csv is None else str(config.csv),
        html=None if config.html is None else str(config.html),
        quarantined=found[0].quarantined,
        seconds=time.perf_counter() - begun,
    )
    write_outputs(config, result, manifest=pictures)
    return result


@dataclass(frozen=True, slots=True)
class _Found:
    """What was tried, the rows that were added (paths as the unlabelled have them), and how many could have been."""

    rounds: tuple[Round, ...]
    rows: tuple[Row, ...]
    n_unlabelled: int
    quarantined: tuple[tuple[str, str], ...]


def _require_untaught(run: Path) -> None:
    """Raise InputError where the network was trained on the run's own pictures: all of them it answers as it was told."""
    taught = taught_by(run)
    own = {
        row.sha256 for row in read_manifest(run / "manifest.csv").rows if row.split == "train" and row.sha256
    }
    if n_taught := len(own & taught):
        raise InputError(
            f"The network of {str(run)!r} was trained on {n_taught:,} of the {len(own):,} pictures that the run learned from, so "
            "cross-validation on these cannot tell whether pseudo-labels help. Name a run that keeps a probe on another network: "
            "fovea train PHOTOS --out FOLDER."
        )


def _training(config: Config, model: Classifier) -> training.Config:
    """Return the settings of a run on the same labelled pictures, on the same sides. Raises InputError."""
    settings = model.document.settings
    photos = config.photos or settings.get("photos")
    if not photos:
        raise InputError(
            f"{str(config.run)!r} does not say where its pictures lie (it was trained with --private). Name the place: "
            "--photos FOLDER."
        )
    source = _told(SourceOptions, settings.get("source"))
    fixes = config.run / "fixes.csv"  # the run's own record: the user's file may have changed since
    share = settings.get("valid_share")
    return training.Config(
        Path(str(photos)),
        config.out,
        source=replace(source, fixes=fixes if fixes.is_file() else None),
        backbone=replace(_told(BackboneOptions, settings.get("backbone")), threads=config.threads),
        promise=_told(PromiseOptions, settings.get("promise")),
        since=config.run,
        valid_share=share if isinstance(share, float) else None,
        balance=bool(settings.get("balance")),
        seed=int(model.document.seed) if config.seed is None else config.seed,
        private=config.private,
    )


Options = TypeVar("Options", SourceOptions, BackboneOptions, PromiseOptions)


def _told(kind: type[Options], settings: object) -> Options:
    """Return a group of options as a run's settings have it; what they lack is as it is by default."""
    told = settings if isinstance(settings, dict) else {}
    names = {one.name for one in fields(kind)}
    return configure(kind, {name: value for name, value in told.items() if name in names})


def _pool(pictures: Manifest, learned: Learned, *, model: Classifier, room: Room) -> Stored:
    """Return the unlabelled pictures that can be read, one of each content, without those of the labelled set."""
    stored = read_stored(
        pictures,
        encoder=model.encoder,
        store=room.store,
        threads=room.config.backbone.threads,
        progress=room.progress,
    )
    known = {row.sha256 for row in learned.plan.manifest.rows if row.sha256}
    first = np.unique(stored.content, return_index=True)[1]
    kept = np.array(
        [k for k in np.sort(first).tolist() if stored.manifest.rows[int(stored.rows[k])].sha256 not in known],
        np.int64,
    )
    if not len(kept):
        raise InputError(
            f"There is nothing to add: of the {len(pictures.rows):,} pictures in {str(pictures.root)!r} all that can be read "
            "are among the run's own. Name a folder with other pictures."
        )
    n_out = len(stored.rows) - len(kept)
    n_bad = len(stored.manifest.rows) - len(stored.rows)
    notes = (
        [f"{count(n_out, 'picture')} of the unlabelled left out: copies, or among the run's own."]
        if n_out
        else []
    )
    notes += [f"{count(n_bad, 'file')} of the unlabelled could not be read."] if n_bad else []
    return replace(
        stored,
        rows=stored.rows[kept],
        features=stored.features[kept],
        content=stored.content[kept],
        notes=(*pictures.notes, *notes),
    )


def _fit(
    learned: Learned, pool: Stored, *, config: Config, model: Classifier, balance: bool, progress: Progress
) -> PseudoFit:
    if len(np.unique(learned.folds)) < LEAST_FOLDS:
        raise InputError(
            f"The run learned from {count(len(learned.rows_train), 'different picture')} in all, too few to tell by "
            f"cross-validation whether pseudo-labels help. Label {LEAST_FOLDS} pictures a class or more."
        )
    return fit_pseudo(
        learned.train_features,
        learned.train_labels,
        unlabelled=pool.features,
        folds=learned.folds,
        probe=learned.fit,
        stages=model.encoder.stages,
        balance=balance,
        n_rounds=config.rounds,
        threads=config.threads,
        progress=progress,
    )


def _added_rows(pool: Stored, fit: PseudoFit) -> list[Row]:
    """Return the manifest's rows of what was added."""
    names = fit.head.class_names
    told = zip(fit.added.rows, fit.added.labels, fit.added.probabilities, fit.added.rounds, strict=True)
    return [
        replace(
            pool.manifest.rows[int(pool.rows[at])],
            label=names[int(label)],
            split="train",
            pseudo_round=int(number),
            probability=float(probability),
        )
        for at, label, probability, number in told
    ]


def _with(learned: Learned, found: _Found, *, head: PseudoFit, pool: Stored) -> Learned:
    """Return what was learned with the new head in the probe's place, and what was added in the manifest behind the rest."""
    manifest = learned.plan.manifest
    root, there = manifest.root, pool.manifest.root
    rows = []
    for row in found.rows:  # paths as seen from the labelled pictures
        whole = there / row.path
        rows.append(replace(row, path=str(whole.relative_to(root) if whole.is_relative_to(root) else whole)))
    told = tell(found.rounds, n_added=len(rows), n_unlabelled=found.n_unlabelled)
    strange: tuple[str, ...] = ()
    if head.n_strangers:
        strange = (
            f"{count(head.n_strangers, 'picture')} of the unlabelled look like none of the labelled; none was added.",
        )
    return replace(
        learned,
        plan=replace(
            learned.plan,
            manifest=manifest.with_rows((*manifest.rows, *rows)),
            notes=(*learned.plan.notes, told, *strange, *pool.notes),
        ),
        fit=ProbeFit(head.head, head.oof_logits, path=learned.fit.path, seconds=learned.fit.seconds),
        valid_logits=head.head.logits(learned.valid_features),
    )


def tell(rounds: tuple[Round, ...], *, n_added: int, n_unlabelled: int) -> str:
    """Return in a sentence or two what the rounds brought, by cross-validation on the labelled pictures."""
    before, kept = rounds[0], [one for one in rounds[1:] if one.is_kept]
    if len(rounds) == 1:
        return (
            f"No pseudo-labels were added: of {count(n_unlabelled, 'unlabelled picture')} none has a label that is more likely "
            "right than wrong. Label more pictures: fovea next."
        )
    if not kept:
        return (
            f"No pseudo-labels were added: with {rounds[1].n_added:,} of them, accuracy on the labelled pictures would go "
            f"from {percent(before.accuracy)} to {percent(rounds[1].accuracy)} (cross-validated). Label more pictures: fovea next."
        )
    return (
        f"{n_added:,} of {n_unlabelled:,} unlabelled pictures were added as pseudo-labels in {count(len(kept), 'round')}: accuracy "
        f"on the labelled pictures went from {percent(before.accuracy)} to {percent(kept[-1].accuracy)} (cross-validated)."
    )
