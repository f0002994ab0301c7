"""Learning from features and pictures; so far the probe."""

from fovea.learn.probe import Head, ProbeFit, fit_probe

__all__ = ["Head", "ProbeFit", "fit_probe"]
