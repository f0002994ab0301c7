"""The networks that courses teach, built here for small pictures. Needs torch."""

from fovea.nets.classic.catalogue import CLASSICS, Classic, build_classic
from fovea.nets.classic.parts import ACTIVATIONS, INITS

__all__ = ["ACTIVATIONS", "CLASSICS", "INITS", "Classic", "build_classic"]
