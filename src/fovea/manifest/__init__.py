"""Sources become one manifest: one row per picture, its class, its split, its group, its problem."""

from fovea.manifest.classes import change_classes, require_trainable, unreadable_classes
from fovea.manifest.fixes import LEAVE_OUT, Fix, apply_fixes, fixes_bytes, read_answers
from fovea.manifest.folders import without_documents
from fovea.manifest.folds import fold_numbers, label_fold_numbers
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
from fovea.manifest.targets import (
    TARGETS,
    Strata,
    canonical_labels,
    change_labels,
    join_labels,
    label_strata,
    labels_of,
    learned_labels,
    number_of,
    require_labels,
    require_numbers,
    suggest_target,
    value_strata,
)
from fovea.manifest.units import equal_groups, join_units

__all__ = [
    "DATA_SETS",
    "LEAVE_OUT",
    "SPLITS",
    "TARGETS",
    "Fix",
    "Manifest",
    "PackedPicture",
    "Row",
    "SplitPlan",
    "Strata",
    "Synset",
    "ancestors",
    "apply_fixes",
    "assign_splits",
    "canonical_labels",
    "change_classes",
    "change_labels",
    "equal_groups",
    "fingerprint",
    "fixes_bytes",
    "fold_numbers",
    "formula_notes",
    "imagenet_classes",
    "join_labels",
    "join_units",
    "label_fold_numbers",
    "label_strata",
    "labels_of",
    "learned_labels",
    "manifest_bytes",
    "number_of",
    "packed_pictures",
    "plain_names",
    "read_answers",
    "read_manifest",
    "read_source",
    "require_labels",
    "require_numbers",
    "require_trainable",
    "suggest_target",
    "synsets",
    "unreadable_classes",
    "value_strata",
    "with_words",
    "without_documents",
    "words_of",
    "write_data_set",
    "write_digits",
    "write_folder",
]
