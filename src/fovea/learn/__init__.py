"""Learning from features and pictures. From here the probe, which needs no torch; networks learn in the rooms below."""

from fovea.learn.clusters import Clusters, cluster
from fovea.learn.probe import Head, LabelsFit, ProbeFit, RidgeFit, fit_labels, fit_probe, fit_ridge

__all__ = [
    "Clusters",
    "Head",
    "LabelsFit",
    "ProbeFit",
    "RidgeFit",
    "cluster",
    "fit_labels",
    "fit_probe",
    "fit_ridge",
]
