"""Judging: figures with intervals, calibration, promises, label errors, novelty, leaks."""

from fovea.judge.calibration import (
    ReliabilityBin,
    cross_fitted,
    ece_floor,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from fovea.judge.compare import Comparison, compare
from fovea.judge.curves import Finding, diagnose
from fovea.judge.cutting import Cut, find_cut
from fovea.judge.growth import Forecast, Growth, Learning, fit_growth, learning_curve
from fovea.judge.guarantee import (
    CalibrationScores,
    Guarantee,
    check_promise,
    threshold_for_precision,
    thresholds_per_class,
)
from fovea.judge.hedging import Hierarchy, climb, make_hierarchy
from fovea.judge.intervals import Interval, clopper_pearson, wilson_interval
from fovea.judge.label_verdict import LabelledPart, LabelMistake, LabelsVerdict, judge_labels, sigmoid
from fovea.judge.labels import LabelIssues, label_issues
from fovea.judge.leaks import near_duplicates
from fovea.judge.metrics import ClassFigures, Figures, measure
from fovea.judge.multilabel import LabelFigures, LabelsFigures, commonest_set, measure_labels
from fovea.judge.novelty import NoveltyScore, fit_novelty
from fovea.judge.one_answer import OneAnswer, mean_answer, usual_answer
from fovea.judge.regression import ValueFigures, ValueVerdict, judge_values, measure_values
from fovea.judge.steps import next_steps
from fovea.judge.verdict import Mistake, Suspect, Verdict, find_mistakes, judge
from fovea.judge.write_json import figures_json

__all__ = [
    "CalibrationScores",
    "ClassFigures",
    "Comparison",
    "Cut",
    "Figures",
    "Finding",
    "Forecast",
    "Growth",
    "Guarantee",
    "Hierarchy",
    "Interval",
    "LabelFigures",
    "LabelIssues",
    "LabelMistake",
    "LabelledPart",
    "LabelsFigures",
    "LabelsVerdict",
    "Learning",
    "Mistake",
    "NoveltyScore",
    "OneAnswer",
    "ReliabilityBin",
    "Suspect",
    "ValueFigures",
    "ValueVerdict",
    "Verdict",
    "check_promise",
    "climb",
    "clopper_pearson",
    "commonest_set",
    "compare",
    "cross_fitted",
    "diagnose",
    "ece_floor",
    "expected_calibration_error",
    "figures_json",
    "find_cut",
    "find_mistakes",
    "fit_growth",
    "fit_novelty",
    "fit_temperature",
    "judge",
    "judge_labels",
    "judge_values",
    "label_issues",
    "learning_curve",
    "make_hierarchy",
    "mean_answer",
    "measure",
    "measure_labels",
    "measure_values",
    "near_duplicates",
    "next_steps",
    "reliability_bins",
    "sigmoid",
    "softmax",
    "threshold_for_precision",
    "thresholds_per_class",
    "usual_answer",
    "wilson_interval",
]
