"""Softmax regression on stored features."""

from fovea.learn.probe.fit import ProbeFit, fit_probe
from fovea.learn.probe.head import Head

__all__ = ["Head", "ProbeFit", "fit_probe"]
