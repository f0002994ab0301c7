"""Sources become one manifest: one row per picture, its class, its split, its group, its problem."""

from fovea.manifest.classes import change_classes, require_trainable, unreadable_classes
from fovea.manifest.folds import fold_numbers
from fovea.manifest.layouts import packed_pictures
from fovea.manifest.named import DATA_SETS, write_data_set, write_digits, write_folder
from fovea.manifest.packs import PackedPicture
from fovea.manifest.rows import SPLITS, Manifest, Row, fingerprint
from fovea.manifest.saved import formula_notes, manifest_bytes, read_manifest
from fovea.manifest.source import read_source
from fovea.manifest.splits import SplitPlan, assign_splits
from fovea.manifest.synsets import (
    Synset,
    ancestors,
    imagenet_classes,
    plain_names,
    synsets,
    with_words,
    words_of,
)
from fovea.manifest.units import equal_groups, join_units

__all__ = [
    "DATA_SETS",
    "SPLITS",
    "Manifest",
    "PackedPicture",
    "Row",
    "SplitPlan",
    "Synset",
    "ancestors",
    "assign_splits",
    "change_classes",
    "equal_groups",
    "fingerprint",
    "fold_numbers",
    "formula_notes",
    "imagenet_classes",
    "join_units",
    "manifest_bytes",
    "packed_pictures",
    "plain_names",
    "read_manifest",
    "read_source",
    "require_trainable",
    "synsets",
    "unreadable_classes",
    "with_words",
    "words_of",
    "write_data_set",
    "write_digits",
    "write_folder",
]
