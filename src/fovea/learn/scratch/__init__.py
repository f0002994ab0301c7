"""Training a network from random weights, with a recipe for each network and number of pictures. Needs torch."""

from fovea.learn.scratch.making import scratch
from fovea.learn.scratch.networks import library_of, require_options, require_size, size_for
from fovea.learn.scratch.recipes import recipe
from fovea.learn.scratch.settings import Lesson, Making

__all__ = [
    "Lesson",
    "Making",
    "library_of",
    "recipe",
    "require_options",
    "require_size",
    "scratch",
    "size_for",
]
