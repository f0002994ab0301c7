"""Random changes to batches of pictures while a network trains, chosen by their number and by what they allow."""

from fovea.learn.augment.apply import Augmentation, Normalise, augmentation, normalise
from fovea.learn.augment.looks import measure_looks
from fovea.learn.augment.policies import OPERATIONS, POLICIES, Looks, choose_policy
from fovea.learn.augment.show import augmented_copies
from fovea.learn.augment.suit import suit_augmentation

__all__ = [
    "OPERATIONS",
    "POLICIES",
    "Augmentation",
    "Looks",
    "Normalise",
    "augmentation",
    "augmented_copies",
    "choose_policy",
    "measure_looks",
    "normalise",
    "suit_augmentation",
]
