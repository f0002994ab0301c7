"""`filter`: pictures as they were scraped and a few labels in; wanted, junk and unsure out, and what to label next.

Nothing is copied, moved or removed. Without labels, pictures to label are drawn at random: a fair sample, by which promises are
made. The same command with the questions' answers as a further table goes on from there.
"""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import EMBEDDED, open_store
from fovea.judge import Cut, find_cut
from fovea.learn import SpreadFit, fit_spread
from fovea.manifest import Manifest, fold_numbers, without_documents
from fovea.progress import Progress, silent
from fovea.tasks.backbones import with_default
from fovea.tasks.filter_labels import Known, known_rows, read_labels
from fovea.tasks.filter_words import opening, tell_cut
from fovea.tasks.filter_write import write_outputs
from fovea.tasks.lists import note_on_names
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.stored import Stored, open_network, read_pictures, read_stored
from fovea.tasks.train.taught import taught_by
from fovea.tasks.written import require_free
from fovea.wording import count

VERDICTS = ("wanted", "junk", "unsure")
N_FOLDS = 5
N_QUESTIONS = 20
N_FIRST = 100
"""Labels drawn at random: 97 % precision takes some 100 wanted ones without a mistake to be promised."""


@dataclass(frozen=True, slots=True)
class Config:
    """What to filter by which labels, how surely, how many questions to ask, and where the answers go.

    Without `labels`, `n` pictures are drawn for a first list. `n` None: 20 questions, or 100 for the first list.
    """

    photos: Path
    labels: tuple[Path, ...] = ()
    wanted: str = "wanted"
    n: int | None = None
    csv: Path | None = None
    ask: Path | None = None
    html: Path | None = None
    private: bool = False
    precision: float = 0.97
    confidence: float = 0.95
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a picture: "wanted", "junk" or "unsure", and the probability that it is wanted; labelled ones as labelled."""

    path: str
    verdict: str
    probability: float
    is_labelled: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "path": self.path,
            "verdict": self.verdict,
            "probability": self.probability,
            "is_labelled": self.is_labelled,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The verdicts in the order of the pictures, the paths to label next (most useful first), and how sure it all is.

    Before there are labels no verdicts and cuts, and the questions are drawn at random from `n_pictures` files.
    """

    n_pictures: int
    verdicts: tuple[Verdict, ...]
    questions: tuple[str, ...]
    cuts: dict[str, Cut]
    precision: float
    confidence: float
    quarantined: tuple[tuple[str, str], ...]
    csv: str | None = None
    ask: str | None = None
    html: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many of the unlabelled got each verdict."""
        found = Counter(one.verdict for one in self.verdicts if not one.is_labelled)
        return {name: found[name] for name in VERDICTS}

    @property
    def n_labelled(self) -> int:
        """How many pictures are labelled."""
        return sum(one.is_labelled for one in self.verdicts)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, and what it can be trusted for."""
        if not self.cuts:
            n = len(self.questions)
            return (
                f"{n:,} of {count(self.n_pictures, 'picture')} {'is' if n == 1 else 'are'} drawn at random.",
            )
        return (
            opening(self.counts, n_labelled=self.n_labelled),
            *(
                tell_cut(name, cut, precision=self.precision, confidence=self.confidence)
                for name, cut in self.cuts.items()
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the keys stand in docs/json.md."""
        return {
            "n_pictures": self.n_pictures,
            "n_labelled": self.n_labelled,
            "counts": self.counts,
            "cuts": {
                name: {
                    "threshold": cut.threshold,
                    "is_promised": cut.is_promised,
                    "supported": cut.supported,
                    "n_more_needed": cut.n_more_needed,
                    "expected": cut.expected,
                }
                for name, cut in self.cuts.items()
            },
            "questions": list(self.questions),
            "verdicts": [one.to_json() for one in self.verdicts],
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "text": " ".join(self.sentences),
            "csv": self.csv,
            "ask": self.ask,
            "html": self.html,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def filter_pictures(
    photos: str | Path,
    *,
    labels: str | Path | Sequence[str | Path] = (),
    progress: Progress = silent,
    **settings: Any,
) -> Result:
    """Sort pictures into wanted, junk and unsure by a few that are labelled, and choose what to label next.

    Args:
        photos: a folder of pictures; its sub-folders are no classes.
        labels: a table path,label of a few of them, or several: a later one corrects an earlier. The label `wanted` is what is
            looked for, every other one is junk; empty ones say nothing, nor does "-", after which a picture is not asked about
            again. The first is taken for a fair sample, by which promises are made; answers to questions are harder than most
            and only teach. None: `ask` becomes a list of pictures drawn at random, to begin with.
        progress: is told how far each stage is.
        settings: any field of `Config` or its groups by name, such as `precision`, `n`, `csv`, `ask`, `html`, `wanted`.

    Raises:
        InputError: nothing can be read, too few are labelled, or there are neither labels nor `ask`.
        ManifestError: a table that cannot be used.
        OutputError: a file to write is there already, or cannot be written.
    """
    several = (labels,) if isinstance(labels, str | os.PathLike) else labels
    given = {"photos": Path(photos), "labels": tuple(Path(one) for one in several), **settings}
    return _run(configure(Config, given), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Filter as `config` says; see `filter_pictures`."""
    return _run(config, progress=progress)


def _run(config: Config, *, progress: Progress) -> Result:
    begun = time.perf_counter()
    _check(config)
    manifest = without_documents(read_pictures(config.photos, SourceOptions(), labelled=False))
    if config.labels:
        result, manifest = _filtered(config, manifest, progress=progress)
    else:
        result = _first(config, manifest)
    if config.ask is not None:
        result = replace(
            result, notes=(*result.notes, *note_on_names(result.questions, left_out_of="the list to fill in"))
        )
    write_outputs(config, result, manifest=manifest)
    return replace(result, seconds=time.perf_counter() - begun)


def _filtered(config: Config, manifest: Manifest, *, progress: Progress) -> tuple[Result, Manifest]:
    """Return what the labels say of the pictures, and the manifest with what came out when these were read."""
    labels = read_labels(config.labels, manifest, wanted=config.wanted)
    encoder, notes = open_network(config.backbone, progress=progress)
    threads = config.backbone.threads
    with open_store() as store:
        stored = read_stored(manifest, encoder=encoder, store=store, threads=threads, progress=progress)
    known = known_rows(stored, labels)
    _require_untaught(config, stored, known)
    progress("filter", 0, 1)
    fit = _fit(stored, known, config=config)
    progress("filter", 1, 1)
    return _decide(stored, fit, known=known, config=config, notes=notes), stored.manifest


def _first(config: Config, manifest: Manifest) -> Result:
    """Return pictures drawn at random, in the order of the draw: the first of them are a fair sample too."""
    paths = [row.path for row in manifest.rows if not row.problem]
    drawn = np.random.default_rng(config.seed).permutation(len(paths))
    return _result(
        config,
        manifest,
        n_pictures=len(paths),
        verdicts=(),
        cuts={},
        questions=tuple(paths[k] for k in drawn[: N_FIRST if config.n is None else config.n].tolist()),
        notes=manifest.notes,
    )


def _result(config: Config, manifest: Manifest, **found: Any) -> Result:
    return Result(
        **found,
        precision=config.precision,
        confidence=config.confidence,
        quarantined=tuple((row.path, row.problem) for row in manifest.rows if row.problem),
        csv=None if config.csv is None else str(config.csv),
        ask=None if config.ask is None else str(config.ask),
        html=None if config.html is None else str(config.html),
    )


def _check(config: Config) -> None:
    if config.n is not None and config.n < 0:
        raise InputError(f"-n is {config.n}; ask for 0 pictures or more, for example -n 20.")
    for option in ("precision", "confidence"):
        value = getattr(config, option)
        if not 0.5 <= value < 1:
            raise InputError(f"--{option} is {value}; give a share from 0.5 to below 1, such as 0.97.")
    if not config.labels and (config.ask is None or config.csv is not None):
        raise InputError(
            "No labels were given, so there are no verdicts yet. Have pictures drawn at random with `--ask first.csv` (without "
            "--csv), write a label beside each, and give the file: --labels first.csv."
        )
    for option in ("csv", "ask", "html"):
        require_free(getattr(config, option), option=f"--{option}")


def _require_untaught(config: Config, stored: Stored, known: Known) -> None:
    """Raise InputError where the network was trained on the labels by which it would be judged."""
    network = with_default(config.backbone)[0].backbone
    taught = taught_by(network)
    n_taught = sum(stored.manifest.rows[k].sha256 in taught for k in stored.rows[known.rows].tolist())
    if n_taught:
        raise InputError(
            f"The network of the run {network!r} was trained on {n_taught:,} of the {count(len(known.rows), 'labelled picture')} "
            "itself and knows their labels, so what it promises of the others would be false. Take a network that was not, such as "
            f"--backbone {EMBEDDED}."
        )


def _fit(stored: Stored, known: Known, *, config: Config) -> SpreadFit:
    labels = known.is_wanted.astype(np.int64)
    return fit_spread(
        stored.features,
        labels,
        known=known.rows,
        folds=fold_numbers(labels, units=stored.content[known.rows], n_folds=N_FOLDS, seed=config.seed),
        class_names=("junk", "wanted"),
        stages=stored.stages,
        threads=config.backbone.threads,
    )


def _decide(
    stored: Stored, fit: SpreadFit, *, known: Known, config: Config, notes: tuple[str, ...]
) -> Result:
    """Return the verdicts and the questions; the labels of questions, harder than most, say nothing of how sure it is."""
    precision, confidence = config.precision, config.confidence
    labelled = np.zeros(len(stored.rows), bool)
    labelled[known.rows] = True
    chance = np.asarray(fit.probabilities[:, 1], np.float64)
    fair, truth = known.is_sample, known.is_wanted
    sides = {"wanted": (fit.oof[:, 1], truth, chance), "junk": (fit.oof[:, 0], ~truth, 1 - chance)}
    cuts = {
        name: find_cut(
            oof[fair],
            right[fair],
            unlabelled=scores[~labelled],
            precision=precision,
            confidence=confidence,
        )
        for name, (oof, right, scores) in sides.items()
    }
    verdicts = np.full(len(chance), "unsure", object)
    for name, (_, _, scores) in sides.items():
        threshold = cuts[name].threshold
        if threshold is not None:
            verdicts[scores >= threshold] = name
    verdicts[known.rows] = np.where(truth, "wanted", "junk")
    chance[known.rows] = truth
    n = N_QUESTIONS if config.n is None else config.n
    paths = stored.paths
    return _result(
        config,
        stored.manifest,
        n_pictures=len(paths),
        verdicts=tuple(
            Verdict(path, str(verdict), float(p), bool(is_known))
            for path, verdict, p, is_known in zip(paths, verdicts, chance, labelled, strict=True)
        ),
        questions=tuple(paths[k] for k in _ask(stored, chance, answered=labelled | known.is_declined, n=n)),
        cuts=cuts,
        notes=(*notes, *known.notes, *stored.notes),
    )


def _ask(stored: Stored, chance: NDArray[np.float64], *, answered: NDArray[np.bool_], n: int) -> list[int]:
    """Return the rows in most doubt, one of each content; spread over groups (`pick_unsure`) they taught less (lab/LOG.md)."""
    first = np.zeros(len(chance), bool)
    first[np.unique(stored.content, return_index=True)[1]] = True
    free = np.flatnonzero(first & ~answered)
    return [int(k) for k in free[np.argsort(np.abs(chance[free] - 0.5), kind="stable")][:n]]
