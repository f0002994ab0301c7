"""The networks that courses teach, built here for small pictures. Needs torch."""

from fovea.nets.classic.catalogue import (
    CLASSICS,
    Classic,
    build_classic,
    check_options,
    check_size,
    find_classic,
    options_of,
)
from fovea.nets.classic.parts import ACTIVATIONS, INITS, initialise, unknown_name
from fovea.nets.classic.views import MultiView

__all__ = [
    "ACTIVATIONS",
    "CLASSICS",
    "INITS",
    "Classic",
    "MultiView",
    "build_classic",
    "check_options",
    "check_size",
    "find_classic",
    "initialise",
    "options_of",
    "unknown_name",
]
