"""Learning from features and pictures. From here the probe, which needs no torch; networks learn in the rooms below."""

from fovea.learn.acquire import Picks, is_early, labelling_space, margins_of, pick_typical, pick_unsure
from fovea.learn.clusters import Clusters, cluster
from fovea.learn.curve import Subsets, measure_subsets, nested_order
from fovea.learn.neighbourhood import Neighbourhood, find_neighbourhood
from fovea.learn.probe import Head, LabelsFit, ProbeFit, RidgeFit, fit_labels, fit_probe, fit_ridge
from fovea.learn.pseudo import Added, PseudoFit, Round, fit_pseudo
from fovea.learn.spreading import SpreadFit, fit_spread

__all__ = [
    "Added",
    "Clusters",
    "Head",
    "LabelsFit",
    "Neighbourhood",
    "Picks",
    "ProbeFit",
    "PseudoFit",
    "RidgeFit",
    "Round",
    "SpreadFit",
    "Subsets",
    "cluster",
    "find_neighbourhood",
    "fit_labels",
    "fit_probe",
    "fit_pseudo",
    "fit_ridge",
    "fit_spread",
    "is_early",
    "labelling_space",
    "margins_of",
    "measure_subsets",
    "nested_order",
    "pick_typical",
    "pick_unsure",
]
