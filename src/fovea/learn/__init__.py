"""Learning from features and pictures; so far the probe."""

from fovea.learn.probe import Head, LabelsFit, ProbeFit, RidgeFit, fit_labels, fit_probe, fit_ridge

__all__ = ["Head", "LabelsFit", "ProbeFit", "RidgeFit", "fit_labels", "fit_probe", "fit_ridge"]
