"""Training a network on another's answers: soft targets with temperature (Hinton 2015). Needs torch."""

from fovea.learn.distil.settings import Distilling, Taught
from fovea.learn.distil.teaching import distil

__all__ = ["Distilling", "Taught", "distil"]
