"""`train --target regression`: ridge regression on features, or a trained network; judged in the user's own unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder
from fovea.judge import ValueVerdict, judge_values, measure_values
from fovea.learn import Head, RidgeFit, fit_ridge
from fovea.learn.trained import Meaning
from fovea.manifest import Manifest, Row, Strata, fold_numbers, number_of, require_numbers, value_strata
from fovea.model import Values
from fovea.pages.words import amount
from fovea.tasks.train.goal import Goal
from fovea.tasks.train.prepare import N_FOLDS, Prepared
from fovea.tasks.train.target_words import about_range, about_values, value_rows

if TYPE_CHECKING:
    from fovea.tasks.train.shared import Thumbs
    from fovea.tasks.train.train import Config

N_LISTED = 500


@dataclass(frozen=True, slots=True)
class ValuesKind:
    """Numbers, as `target.Kind`."""

    config: "Config"

    def begin(self, manifest: Manifest) -> Manifest:
        """Return the manifest as it is."""
        return manifest

    def require(self, manifest: Manifest) -> None:
        """Raise InputError where a label is no number, or too few pictures can be read."""
        require_numbers(manifest)

    @property
    def strata(self) -> Strata:
        """Ranges of the numbers."""
        return value_strata

    def learn(self, prepared: Prepared, *, encoder: Encoder) -> "ToldValues":
        """Fit and judge a ridge regression."""
        fit = fit_ridge(
            prepared.train_features,
            _numbers(prepared.plan.manifest.rows, prepared.rows_train),
            folds=self._folds(prepared)[1],
            name=self._name,
            stages=encoder.stages,
            extra_views=prepared.extra_views,
            threads=self.config.backbone.threads,
        )
        return self._told(prepared, fit)

    def goal(
        self,
        manifest: Manifest,
        *,
        rows_train: NDArray[np.int64],
        rows_valid: NDArray[np.int64],
        units: NDArray[np.int64],
    ) -> Goal:
        """Return what a network is to learn."""
        train, valid = (_numbers(manifest.rows, part) for part in (rows_train, rows_valid))
        meaning = Meaning("values", float(train.mean()), float(train.std()) or 1.0)
        return Goal(
            manifest=manifest,
            rows_train=rows_train,
            rows_valid=rows_valid,
            names=(self._name,),
            train_labels=meaning.learned_as(train)[:, None],
            valid_labels=meaning.learned_as(valid)[:, None],
            meaning=meaning,
        )

    def take(
        self, prepared: Prepared, *, head: Head, seconds: float, notes: Sequence[str] = ()
    ) -> "ToldValues":
        """Judge the head of a network that was trained, on its features."""
        return self._told(prepared, RidgeFit(head, np.zeros(0), path=(), seconds=seconds))

    @property
    def _name(self) -> str:
        return self.config.source.label_by or "value"

    def _folds(self, prepared: Prepared) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the range that each training picture's number is in, and folds that hold their shares of each."""
        ranges = value_strata(prepared.plan.manifest, prepared.units)
        names = sorted({name for one in ranges for name in one})
        rows = prepared.rows_train
        groups = np.array([names.index(ranges[k][0]) if ranges[k] else 0 for k in rows.tolist()])
        seed = self.config.seed
        return groups, fold_numbers(groups, units=prepared.units[rows], n_folds=N_FOLDS, seed=seed)

    def _told(self, prepared: Prepared, fit: RidgeFit) -> "ToldValues":
        """Judge a head; out-of-fold values are none where there is no such thing."""
        rows, units = prepared.plan.manifest.rows, prepared.units
        train, valid = (_numbers(rows, part) for part in (prepared.rows_train, prepared.rows_valid))
        answers = values_of(fit.head, prepared.valid_features)
        verdict = judge_values(
            train_values=train,
            oof_answers=fit.oof_values if len(fit.oof_values) else None,
            train_units=units[prepared.rows_train],
            valid_values=valid if len(valid) else None,
            valid_answers=answers if len(valid) else None,
            valid_units=units[prepared.rows_valid] if len(valid) else None,
            leaked=prepared.leaked if len(valid) else None,
            seed=self.config.seed,
        )
        groups, folds = self._folds(prepared)
        return ToldValues(
            fit,
            verdict,
            prepared.rows_train,
            prepared.rows_valid,
            train,
            valid,
            answers,
            folds,
            groups,
            self.config.seed,
        )


def _numbers(rows: Sequence[Row], part: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([number_of(rows[k].label) or 0.0 for k in part.tolist()], np.float64)


def values_of(head: Head, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the numbers (n,) that a head tells of features (n, d)."""
    return head.logits(features)[:, 0].astype(np.float64)


@dataclass(frozen=True, slots=True)
class ToldValues:
    """A ridge regression, or the head of a trained network, and its verdict, as `target_files.Told`."""

    fit: RidgeFit
    verdict: ValueVerdict
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    train: NDArray[np.float64]
    valid: NDArray[np.float64]
    valid_answers: NDArray[np.float64]
    folds: NDArray[np.int64]
    groups: NDArray[np.int64]
    seed: int
    notes: Sequence[str] = ()

    @property
    def head(self) -> Head:
        """The head."""
        return self.fit.head

    @property
    def temperature(self) -> float:
        """Nothing is divided."""
        return 1.0

    @property
    def target(self) -> Values:
        """What the model folder keeps."""
        told = self.verdict
        return Values(told.coverage, told.half_width, told.spread, *self.baseline, told.lowest, told.highest)

    @property
    def counts(self) -> Mapping[str, int]:
        """A number has no counts."""
        return {}

    @property
    def seconds(self) -> float:
        """What the fit took."""
        return self.fit.seconds

    def measured(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows that the verdict is of, their numbers, and what was answered."""
        if self.verdict.measured == "valid":
            return self.rows_valid, self.valid, self.valid_answers
        return self.rows_train, self.train, self.fit.oof_values

    def metrics(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return its part of metrics.json."""
        numbers, values, answers = self.measured()
        worst = [
            {
                "path": rows[numbers[k]].path,
                "split": rows[numbers[k]].split,
                "value": float(values[k]),
                "answer": float(answers[k]),
            }
            for k in self.verdict.worst[:N_LISTED]
        ]
        return {**self.verdict.to_json(), "value_name": self.head.class_names[0], "worst": worst}

    def measure(
        self, rows: Sequence[Row], features: NDArray[np.float32], units: NDArray[np.int64]
    ) -> dict[str, Any]:
        """Return the figures of other labelled rows."""
        return figures_of(
            self.head, self.target, rows=rows, features=features, units=units, baseline=self.baseline
        )

    @property
    def baseline(self) -> tuple[float, float]:
        """The median and the mean of the training part."""
        return float(np.median(self.train)), float(np.mean(self.train))

    def answers(self) -> tuple[list[str], list[list[str]]]:
        """Return what was answered of the rows, the last ones, by a head that had not seen them."""
        told = np.concatenate([self.fit.oof_values, self.valid_answers])
        return ["answer"], [[f"{number:.7g}"] for number in told.tolist()]

    def next_steps(self) -> list[str]:
        """Return sentences, the most useful first."""
        figures = self.verdict.figures
        steps = []
        if figures.mae_interval is not None and figures.mae_interval[1] >= figures.baseline_mae:
            steps.append(
                f"So far it cannot be told from always answering the median, {amount(figures.baseline_value)}: add "
                "pictures, or take a larger network (`fovea backbones` lists them)."
            )
        steps.append(
            "Look at the pictures with the largest errors first: a mistyped number costs most, in learning and in measuring."
        )
        if self.verdict.n_leaked:
            steps.append(
                f"Go by the figures without the {self.verdict.n_leaked:,} judged pictures that (nearly) stand in the "
                "training part too."
            )
        return steps

    def page(self, thumbs: "Thumbs", *, test: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return its part of the report."""
        from fovea.tasks.train.target_files import worst_gallery

        numbers, values, answers = self.measured()
        worst = [(int(numbers[k]), amount(values[k]), amount(answers[k])) for k in self.verdict.worst]
        return {
            "lead": about_values(self.verdict),
            "n_judged": self.verdict.figures.n,
            "figures": value_rows(self.verdict, test=test),
            "points": tuple(zip(values.tolist(), answers.tolist(), strict=True)),
            "half_width": self.verdict.half_width,
            "ranges": about_range(self.verdict),
            "worst": worst_gallery(thumbs, worst, len(worst)),
        }


def figures_of(
    head: Head,
    target: Values,
    *,
    rows: Sequence[Row],
    features: NDArray[np.float32],
    units: NDArray[np.int64],
    baseline: tuple[float, float],
) -> dict[str, Any]:
    """Return the figures of labelled rows by a head, and how many lie inside its range, as plain values."""
    values, answers = _numbers(rows, np.arange(len(rows))), values_of(head, features)
    inside = int((np.abs(values - answers) <= target.half_width).sum())
    return {**measure_values(values, answers, units=units, baseline=baseline).to_json(), "n_inside": inside}
