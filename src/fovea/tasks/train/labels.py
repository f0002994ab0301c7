"""`train --target labels`: one logistic classifier a label on features, or a trained network; each label has a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea import wording
from fovea.features import Encoder
from fovea.judge import (
    LabelledPart,
    LabelsFigures,
    LabelsVerdict,
    commonest_set,
    judge_labels,
    measure_labels,
    sigmoid,
)
from fovea.learn import Head, LabelsFit, fit_labels
from fovea.learn.trained import Meaning
from fovea.manifest import (
    Manifest,
    Row,
    Strata,
    canonical_labels,
    change_labels,
    join_labels,
    label_fold_numbers,
    label_strata,
    labels_of,
    learned_labels,
    require_labels,
)
from fovea.model import Labels
from fovea.pages import ClassFigures, Promise
from fovea.pages.words import percent
from fovea.tasks.train.goal import Goal
from fovea.tasks.train.prepare import N_FOLDS, Prepared
from fovea.tasks.train.target_words import about_labels, label_rows

if TYPE_CHECKING:
    from fovea.tasks.train.shared import Thumbs
    from fovea.tasks.train.train import Config

N_LISTED = 500
WIDE = 0.2  # a recall that is known to +-10 points only
N_NAMED = 3


@dataclass(frozen=True, slots=True)
class LabelsKind:
    """Several labels a picture, as `target.Kind`."""

    config: "Config"

    def begin(self, manifest: Manifest) -> Manifest:
        """Return the manifest with its labels in one spelling, those dropped and merged that should be."""
        source = self.config.source
        return change_labels(canonical_labels(manifest), drop=source.drop, merge=source.merge)

    def require(self, manifest: Manifest) -> None:
        """Raise InputError where too few pictures can be read, or folders give but one label."""
        require_labels(manifest, is_folder=self.config.photos.is_dir())

    @property
    def strata(self) -> Strata:
        """The labels that can be learned."""
        return label_strata

    def learn(self, prepared: Prepared, *, encoder: Encoder) -> "ToldLabels":
        """Fit and judge a classifier for every label."""
        goal = self.goal(
            prepared.plan.manifest,
            rows_train=prepared.rows_train,
            rows_valid=prepared.rows_valid,
            units=prepared.units,
        )
        has = goal.train_labels > 0
        fit = fit_labels(
            prepared.train_features,
            has,
            folds=self._folds(prepared, has),
            names=goal.names,
            stages=encoder.stages,
            seed=self.config.seed,
            extra_views=prepared.extra_views,
            threads=self.config.backbone.threads,
        )
        return self._told(prepared, fit, notes=goal.notes)

    def goal(
        self,
        manifest: Manifest,
        *,
        rows_train: NDArray[np.int64],
        rows_valid: NDArray[np.int64],
        units: NDArray[np.int64],
    ) -> Goal:
        """Return what is to be learned."""
        names, notes = learned_labels(manifest, units)
        return Goal(
            manifest=manifest,
            rows_train=rows_train,
            rows_valid=rows_valid,
            names=names,
            train_labels=_marks_of(manifest, rows_train, names).astype(np.float32),
            valid_labels=_marks_of(manifest, rows_valid, names).astype(np.float32),
            meaning=Meaning("labels"),
            notes=notes + _unknown(manifest, rows_train, rows_valid),
        )

    def take(
        self, prepared: Prepared, *, head: Head, seconds: float, notes: Sequence[str] = ()
    ) -> "ToldLabels":
        """Judge the head of a network that was trained, on its features."""
        nothing = np.zeros((0, len(head.class_names)), np.float32)
        return self._told(prepared, LabelsFit(head, nothing, path=(), seconds=seconds), notes=notes)

    def _folds(self, prepared: Prepared, has: NDArray[np.bool_]) -> NDArray[np.int64]:
        units = prepared.units[prepared.rows_train]
        return label_fold_numbers(has, units=units, n_folds=N_FOLDS, seed=self.config.seed)

    def _told(self, prepared: Prepared, fit: LabelsFit, *, notes: Sequence[str]) -> "ToldLabels":
        """Judge a head; out-of-fold logits are none where there is no such thing."""
        manifest, units, seed = prepared.plan.manifest, prepared.units, self.config.seed
        names = fit.head.class_names
        train, valid = (
            _marks_of(manifest, part, names) for part in (prepared.rows_train, prepared.rows_valid)
        )
        folds = self._folds(prepared, train)
        logits = fit.head.logits(prepared.valid_features)
        verdict = judge_labels(
            LabelledPart(train, fit.oof_logits, units[prepared.rows_train]),
            names=names,
            folds=folds,
            valid=LabelledPart(valid, logits, units[prepared.rows_valid]) if len(valid) else None,
            leaked=prepared.leaked,
            precision=self.config.promise.precision,
            confidence=self.config.promise.confidence,
            seed=seed,
        )
        return ToldLabels(
            fit, verdict, prepared.rows_train, prepared.rows_valid, train, valid, logits, folds, notes, seed
        )


def _unknown(
    manifest: Manifest, rows_train: NDArray[np.int64], rows_valid: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return a note on labels that only held-out pictures have."""
    inside, outside = (
        {name for k in part.tolist() for name in labels_of(manifest.rows[k].label)}
        for part in (rows_train, rows_valid)
    )
    if not outside - inside:
        return ()
    return (
        f"No training picture has {wording.some(sorted(outside - inside))}: it is left out of the figures.",
    )


def _marks_of(manifest: Manifest, part: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.bool_]:
    return marks([manifest.rows[k] for k in part.tolist()], names)


def marks(rows: Sequence[Row], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the labels each row has: bool (n, k)."""
    found = np.zeros((len(rows), len(names)), np.bool_)
    for k, row in enumerate(rows):
        inside = set(labels_of(row.label))
        found[k] = [name in inside for name in names]
    return found


@dataclass(frozen=True, slots=True)
class ToldLabels:
    """A classifier for every label and their verdict, as `target_files.Told`."""

    fit: LabelsFit
    verdict: LabelsVerdict
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    train: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    valid_logits: NDArray[np.float32]
    folds: NDArray[np.int64]
    notes: Sequence[str]
    seed: int

    @property
    def head(self) -> Head:
        """The head."""
        return self.fit.head

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""
        return self.verdict.temperature

    @property
    def target(self) -> Labels:
        """What the model folder keeps."""
        promises = self.verdict.promises
        kept = [one.precision if one.threshold is not None else None for one in promises]
        precisions = tuple(kept) or (None,) * len(self.verdict.names)
        confidence = promises[0].confidence if promises else None
        return Labels(self.verdict.thresholds, precisions, confidence, self.verdict.figures.baseline_labels)

    @property
    def groups(self) -> NDArray[np.int64]:
        """The rarest label of each training picture."""
        rarity = np.append(self.train.sum(axis=0), len(self.train) + 1)
        marked = np.column_stack([self.train, np.ones(len(self.train), np.bool_)])
        groups: NDArray[np.int64] = np.where(marked, rarity, len(self.train) + 2).argmin(axis=1)
        return groups

    @property
    def counts(self) -> Mapping[str, int]:
        """How many training pictures have each label."""
        return dict(zip(self.verdict.names, self.train.sum(axis=0).tolist(), strict=True))

    @property
    def seconds(self) -> float:
        """What the fit took."""
        return self.fit.seconds

    @property
    def measured_rows(self) -> NDArray[np.int64]:
        """The rows that the verdict is of."""
        return self.rows_valid if self.verdict.measured == "valid" else self.rows_train

    def metrics(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return its part of metrics.json."""
        numbers, names = self.measured_rows, self.verdict.names
        mistakes = [
            {
                "path": rows[numbers[one.index]].path,
                "split": rows[numbers[one.index]].split,
                "label": names[one.label],
                "has": one.has,
                "probability": one.probability,
            }
            for one in self.verdict.mistakes[:N_LISTED]
        ]
        return {**self.verdict.to_json(), "mistakes": mistakes}

    def measure(
        self, rows: Sequence[Row], features: NDArray[np.float32], units: NDArray[np.int64]
    ) -> dict[str, Any]:
        """Return the figures of other labelled rows."""
        return figures_of(
            self.head,
            self.target,
            temperature=self.temperature,
            rows=rows,
            features=features,
            units=units,
            commonest=commonest_set(self.train),
            seed=self.seed,
        ).to_json()

    def answers(self) -> tuple[list[str], list[list[str]]]:
        """Return what was answered of the rows, the last ones, by a head that had not seen them."""
        probabilities = sigmoid(np.concatenate([self.fit.oof_logits, self.valid_logits]), self.temperature)
        names, limits = self.verdict.names, np.array(self.verdict.thresholds)
        cells = [
            [
                join_labels([name for name, p, t in zip(names, row, limits, strict=True) if p >= t]),
                *(f"{p:.6f}" for p in row),
            ]
            for row in probabilities
        ]
        return ["answer", *(f"p_{name}" for name in names)], cells

    def next_steps(self) -> list[str]:
        """Return sentences, the most useful first."""
        steps = []
        if self.verdict.mistakes:
            steps.append(
                "Look at the most confident mistakes first: some will be labels that were forgotten, or do not belong."
            )
        if self.verdict.n_leaked:
            steps.append(
                f"Go by the figures without the {self.verdict.n_leaked:,} judged pictures that (nearly) stand in the "
                "training part too."
            )
        wide = [
            one
            for one in self.verdict.figures.per_label
            if one.n and one.recall_interval[1] - one.recall_interval[0] > WIDE
        ]
        wide.sort(key=lambda one: one.recall_interval[0] - one.recall_interval[1])
        steps += [
            f"Add pictures with {one.label!r}: {one.n_right} of {one.n} judged ones were found, so it finds "
            f"{wording.percent(one.recall_interval[0], 0)} to {wording.percent(one.recall_interval[1], 0)} of them (95 % interval)."
            for one in wide[:N_NAMED]
        ]
        if len(wide) > N_NAMED:
            steps.append(f"Known as roughly: {', '.join(repr(one.label) for one in wide[N_NAMED:])}.")
        return steps

    def page(self, thumbs: "Thumbs", *, test: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return its part of the report."""
        from fovea.tasks.train.target_files import worst_gallery

        figures, names, numbers = self.verdict.figures, self.verdict.names, self.measured_rows
        worst = [
            (
                int(numbers[one.index]),
                f"{'has' if one.has else 'has not'} {names[one.label]}",
                f"{names[one.label]} {percent(one.probability)}",
            )
            for one in self.verdict.mistakes
        ]
        return {
            "lead": about_labels(self.verdict),
            "share": figures.all_right,
            "share_interval": figures.all_right_interval,
            "share_baseline": figures.baseline_all_right,
            "n_judged": figures.n,
            "figures": label_rows(self.verdict, test=test),
            "classes": tuple(
                ClassFigures(
                    name=one.label,
                    n_labelled=one.n,
                    n_answered=one.n_answered,
                    precision=one.precision,
                    recall=one.recall,
                    precision_interval=one.precision_interval if one.precision is not None else None,
                    recall_interval=one.recall_interval if one.recall is not None else None,
                    n_train=self.counts[one.label],
                )
                for one in figures.per_label
            ),
            "rankings": tuple(
                (one.label, one.average_precision, one.average_precision_interval, one.share, threshold)
                for one, threshold in zip(figures.per_label, self.verdict.thresholds, strict=True)
            ),
            "promises": tuple(
                Promise(
                    precision=one.precision,
                    confidence=one.confidence,
                    threshold=one.threshold,
                    n_accepted=one.n_accepted,
                    n_calibration=one.n_calibration,
                    n_more=one.n_more_needed,
                    class_name=name,
                )
                for name, one in zip(names, self.verdict.promises, strict=False)
            ),
            "worst": worst_gallery(thumbs, worst, len(worst)),
        }


def figures_of(
    head: Head,
    target: Labels,
    *,
    temperature: float,
    rows: Sequence[Row],
    features: NDArray[np.float32],
    units: NDArray[np.int64],
    commonest: NDArray[np.bool_],
    seed: int,
) -> LabelsFigures:
    """Return the figures of labelled rows by a head."""
    probabilities = sigmoid(head.logits(features), temperature)
    return measure_labels(
        marks(rows, head.class_names),
        probabilities >= np.array(target.thresholds),
        probabilities=probabilities,
        names=head.class_names,
        commonest=commonest,
        units=units,
        seed=seed,
    )
