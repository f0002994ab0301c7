"""Learning from features and pictures. From here the probe, which needs no torch; networks learn in the rooms below."""

from fovea.learn.probe import Head, LabelsFit, ProbeFit, RidgeFit, fit_labels, fit_probe, fit_ridge

__all__ = ["Head", "LabelsFit", "ProbeFit", "RidgeFit", "fit_labels", "fit_probe", "fit_ridge"]
