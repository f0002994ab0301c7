"""`pseudolabel`: a run and unlabelled pictures in; a run that learned from both out, judged on what people labelled.

The surest of the unlabelled pictures are learned from as if they were labelled, in rounds, each kept only where that does not
hurt. The earlier run stays as it is; the new one's manifest marks what was added, with its round and probability.
"""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fovea.errors import FoveaError, InputError, PictureError
from fovea.features import available_cores
from fovea.learn import ProbeFit, PseudoFit, Round, fit_pseudo
from fovea.manifest import Manifest, Row
from fovea.manifest.wording import count
from fovea.model import Classifier, load_classifier
from fovea.pages import PseudoPage, Thumb, TriedRound, render_pseudolabel
from fovea.pages.privacy import without_secrets
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress, silent
from fovea.tasks import train as training
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.stored import Stored, read_pictures, read_stored
from fovea.tasks.train_attempt import Room
from fovea.tasks.train_learn import Learned
from fovea.tasks.train_learn import learn as learn_labelled
from fovea.tasks.train_method import Outcome
from fovea.tasks.train_since import Earlier
from fovea.tasks.written import require_free, write_whole

LEAST_FOLDS = 3
MOST_ROUNDS = 5
N_SHOWN = 300
"""Pictures on the page."""
COLUMNS = ("path", "label", "probability", "round")


@dataclass(frozen=True, slots=True)
class Config:
    """Which run, which unlabelled pictures, where to; `photos` is where the run's pictures lie now, None: where they lay."""

    run: Path
    unlabelled: Path
    out: Path
    photos: Path | None = None
    rounds: int = 2
    csv: Path | None = None
    html: Path | None = None
    threads: int | None = None
    private: bool = False


@dataclass(frozen=True)
class Result:
    """The new run, what every round did, and the pictures that were added: (path, label, probability, round)."""

    trained: training.Run
    rounds: tuple[Round, ...]
    added: tuple[tuple[str, str, float, int], ...]
    n_unlabelled: int
    csv: str | None
    html: str | None = None

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
        InputError: the run or the pictures cannot be used, or too few are labelled to cross-validate.
        OutputError: something is at `out` or `csv` already, or it cannot be written.
    """
    config = configure(Config, {"run": run, "unlabelled": unlabelled, "out": out, **settings})
    return _run(config, progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Train again as `config` says; see `pseudolabel`."""
    return _run(config, progress=progress)


def _run(config: Config, *, progress: Progress) -> Result:
    if not 1 <= config.rounds <= MOST_ROUNDS:
        raise InputError(f"--rounds is {config.rounds}; give 1 to {MOST_ROUNDS}.")
    require_free(config.csv, option="--csv")
    require_free(config.html, option="--html")
    model = load_classifier(config.run, threads=config.threads, needed_by="fovea pseudolabel")
    pictures = read_pictures(config.unlabelled, SourceOptions(), labelled=False)
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
        fit = _fit(learned, pool, config=config, model=model, progress=room.progress)
        found.append(_Found(fit.rounds, tuple(_added_rows(pool, fit)), len(pool.rows)))
        return Outcome(_with(learned, found[0], head=fit, pool=pool), model.encoder)

    trained = training.run(_training(config, model), learn=learn, progress=progress)
    rounds, rows, n_unlabelled = found[0].rounds, found[0].rows, found[0].n_unlabelled
    added = tuple((row.path, row.label or "", row.probability, row.pseudo_round) for row in rows)
    if config.csv is not None:
        write_whole(config.csv, _csv_bytes(added), option="--csv")
    files = [None if file is None else str(file) for file in (config.csv, config.html)]
    result = Result(trained, rounds, added, n_unlabelled, *files)
    if config.html is not None:
        page = _page(config, result, manifest=pictures)
        write_whole(config.html, page.encode(errors="surrogateescape"), option="--html")
    return result


@dataclass(frozen=True, slots=True)
class _Found:
    """What was tried, the rows that were added (paths as the unlabelled have them), and how many could have been."""

    rounds: tuple[Round, ...]
    rows: tuple[Row, ...]
    n_unlabelled: int


def _training(config: Config, model: Classifier) -> training.Config:
    """Return the settings of a run on the same labelled pictures, on the same sides. Raises InputError."""
    settings = model.document.settings
    photos, told = config.photos or settings.get("photos"), settings.get("source")
    if not photos:
        raise InputError(
            f"{str(config.run)!r} does not say where its pictures lie (it was trained with --private). Name the place: "
            "--photos FOLDER."
        )
    known: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    known["drop"] = tuple(known.get("drop") or ())
    fixes = config.run / "fixes.csv"  # the run's own record: the user's file may have changed since
    known["fixes"] = fixes if fixes.is_file() else None
    return training.Config(
        Path(str(photos)),
        config.out,
        source=SourceOptions(**known),
        backbone=BackboneOptions(fit=model.encoder.preprocess.fit, threads=config.threads),
        since=config.run,
        seed=int(model.document.seed),
        private=config.private,
    )


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
        notes=tuple(notes),
    )


def _fit(
    learned: Learned, pool: Stored, *, config: Config, model: Classifier, progress: Progress
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
    if not kept:
        return (
            f"No pseudo-labels were added: with {rounds[1].n_added:,} of them, accuracy on the labelled pictures would go "
            f"from {before.accuracy:.1%} to {rounds[1].accuracy:.1%} (cross-validated). Label more pictures: fovea next."
        )
    return (
        f"{n_added:,} of {n_unlabelled:,} unlabelled pictures were added as pseudo-labels in {count(len(kept), 'round')}: accuracy "
        f"on the labelled pictures went from {before.accuracy:.1%} to {kept[-1].accuracy:.1%} (cross-validated)."
    )


def _csv_bytes(added: tuple[tuple[str, str, float, int], ...]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerows((path, label, f"{probability:.6f}", number) for path, label, probability, number in added)
    return text.getvalue().encode("utf-8-sig", errors="surrogateescape")


def _page(config: Config, result: Result, *, manifest: Manifest) -> str:
    rows = {row.path: row for row in manifest.rows}
    shown = sorted(result.added, key=lambda one: one[2])[:N_SHOWN]

    def draw(path: str) -> bytes | None:
        with suppress(OSError, PictureError, FoveaError):
            return thumbnail_jpeg(manifest.read(rows[path]))
        return None

    with ThreadPoolExecutor(config.threads or available_cores()) as workers:
        drawn = [None] * len(shown) if config.private else list(workers.map(draw, [one[0] for one in shown]))
    return render_pseudolabel(
        PseudoPage(
            title=config.html.stem if config.html else "pseudolabel",
            text=result.text,
            rounds=tuple(
                TriedRound(one.number, one.n_added, one.accuracy, one.log_loss, one.is_kept)
                for one in result.rounds
            ),
            added=tuple(
                Thumb(path, label=label, probability=probability, jpeg=jpeg)
                for (path, label, probability, _), jpeg in zip(shown, drawn, strict=True)
            ),
            n_added=len(result.added),
            n_unlabelled=result.n_unlabelled,
            source=without_secrets(str(config.unlabelled)) if config.private else str(config.unlabelled),
            private=config.private,
        )
    )
