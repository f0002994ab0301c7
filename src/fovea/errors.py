"""The tree of errors a user can meet. Each message says what was found, where, and what to do next.

FoveaError
├── InputError(ValueError)             what was given cannot be used: a folder, a manifest, an option's value
│   ├── MissingInputError(FileNotFoundError)   nothing is there
│   └── ManifestError                          a table's rows are wrong
├── PictureError(ValueError)           one file cannot be read as a picture (it is quarantined, not fatal)
├── BackboneError(ValueError)          weights or a network cannot be used
├── ModelError(ValueError)             a saved model is cut, edited, too new, or answers differently
├── StoreError(OSError)                the store of features cannot be read or written
├── OutputError(OSError)               the result cannot be written, or something is already there
└── MissingExtraError(ImportError)     an optional package is needed; the message holds the install line
"""


class FoveaError(Exception):
    """Base of every error that fovea raises on purpose; the command line exits with 1."""


class InputError(FoveaError, ValueError):
    """What was given cannot be used."""


class MissingInputError(InputError, FileNotFoundError):
    """Nothing is at the place that was named."""

    def __str__(self) -> str:
        """Return the message alone (OSError would add an errno)."""
        return str(self.args[0]) if self.args else ""


class ManifestError(InputError):
    """Rows of a table cannot be used."""


class PictureError(FoveaError, ValueError):
    """One file cannot be read as a picture; its text is the reason shown in the quarantine list."""


class BackboneError(FoveaError, ValueError):
    """Weights or a network cannot be used."""


class ModelError(FoveaError, ValueError):
    """A saved model cannot be trusted or read."""


class StoreError(FoveaError, OSError):
    """The store of features cannot be read or written."""


class OutputError(FoveaError, OSError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(FoveaError, ImportError):
    """An optional package is needed for what was asked."""
