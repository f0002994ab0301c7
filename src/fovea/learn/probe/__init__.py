"""Linear heads on stored features: classes, several labels, a number."""

from fovea.learn.probe.fit import ProbeFit, fit_probe
from fovea.learn.probe.head import Head
from fovea.learn.probe.ridge import RidgeFit, fit_ridge
from fovea.learn.probe.several import LabelsFit, fit_labels

__all__ = ["Head", "LabelsFit", "ProbeFit", "RidgeFit", "fit_labels", "fit_probe", "fit_ridge"]
