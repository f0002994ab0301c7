"""A folder of pictures in; a checked, calibrated, saved classifier out."""

__version__ = "0.1.0"
