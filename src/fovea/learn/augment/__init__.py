"""Random changes to batches of pictures while a network trains, chosen per data set size and what the pictures allow."""

from fovea.learn.augment.apply import Augmentation, augmentation, normalise
from fovea.learn.augment.policies import AUTOMATIC, OPERATIONS, POLICIES, Looks, choose_policy

__all__ = [
    "AUTOMATIC",
    "OPERATIONS",
    "POLICIES",
    "Augmentation",
    "Looks",
    "augmentation",
    "choose_policy",
    "normalise",
]
