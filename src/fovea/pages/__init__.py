"""Pages: results -> HTML. Computes nothing."""

from fovea.pages.augment import AugmentPage, Strip, draw_sheet, render_augment
from fovea.pages.check import CheckPage, ClassCount, render_check
from fovea.pages.curve import CurvePage, render_curve
from fovea.pages.filter import FilterPage, render_filter
from fovea.pages.fragments import (
    render_check_fragment,
    render_facts_fragment,
    render_report_fragment,
)
from fovea.pages.growth import GrowthPlot, GrowthPoint
from fovea.pages.next import Asked, NextPage, render_next
from fovea.pages.predict import Answered, PredictPage, render_predict
from fovea.pages.pseudolabel import PseudoPage, TriedRound, render_pseudolabel
from fovea.pages.report import (
    Bin,
    Change,
    ClassFigures,
    Comparison,
    Figure,
    Gallery,
    Novelty,
    Pair,
    Promise,
    Report,
    StageTime,
    Thumb,
    render_report,
)
from fovea.pages.similar import Found, SimilarPage, render_similar
from fovea.pages.target import Measured, TargetReport, render_target, render_target_fragment

__all__ = [
    "Answered",
    "Asked",
    "AugmentPage",
    "Bin",
    "Change",
    "CheckPage",
    "ClassCount",
    "ClassFigures",
    "Comparison",
    "CurvePage",
    "Figure",
    "FilterPage",
    "Found",
    "Gallery",
    "GrowthPlot",
    "GrowthPoint",
    "Measured",
    "NextPage",
    "Novelty",
    "Pair",
    "PredictPage",
    "Promise",
    "PseudoPage",
    "Report",
    "SimilarPage",
    "StageTime",
    "Strip",
    "TargetReport",
    "Thumb",
    "TriedRound",
    "draw_sheet",
    "render_augment",
    "render_check",
    "render_check_fragment",
    "render_curve",
    "render_facts_fragment",
    "render_filter",
    "render_next",
    "render_predict",
    "render_pseudolabel",
    "render_report",
    "render_report_fragment",
    "render_similar",
    "render_target",
    "render_target_fragment",
]
