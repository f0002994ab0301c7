"""Encoders, the store of features, extraction."""

from fovea.features.backbones import load_encoder, open_backbone
from fovea.features.cache import CacheFacts, StoredEncoder, clear_cache, describe_cache
from fovea.features.card import BackboneCard, read_card
from fovea.features.default import config_file, read_default, write_default
from fovea.features.encoder import Encoder, Preprocess, Stage
from fovea.features.extract import EVERY_COLUMN, Extraction, Item, extract
from fovea.features.finding import (
    is_weights_file,
    list_backbone_stages,
    list_converted,
    list_own_weights,
    place_of,
    require_backbone,
    unknown_backbone,
)
from fovea.features.folder import cache_folder
from fovea.features.hashing import Hashed, Part, read_hashes
from fovea.features.joining import join_encoders, require_same_input
from fovea.features.known import EMBEDDED, KNOWN, is_published, on_disk
from fovea.features.neighbours import METRICS, mean_around, nearest, unit_rows
from fovea.features.opening import open_store
from fovea.features.processor import available_cores, has_native_bf16
from fovea.features.store import Known, Look, Store
from fovea.features.views import make_views
from fovea.nets import Shown

__all__ = [
    "EMBEDDED",
    "EVERY_COLUMN",
    "KNOWN",
    "METRICS",
    "BackboneCard",
    "CacheFacts",
    "Encoder",
    "Extraction",
    "Hashed",
    "Item",
    "Known",
    "Look",
    "Part",
    "Preprocess",
    "Shown",
    "Stage",
    "Store",
    "StoredEncoder",
    "available_cores",
    "cache_folder",
    "clear_cache",
    "config_file",
    "describe_cache",
    "extract",
    "has_native_bf16",
    "is_published",
    "is_weights_file",
    "join_encoders",
    "list_backbone_stages",
    "list_converted",
    "list_own_weights",
    "load_encoder",
    "make_views",
    "mean_around",
    "nearest",
    "on_disk",
    "open_backbone",
    "open_store",
    "place_of",
    "read_card",
    "read_default",
    "read_hashes",
    "require_backbone",
    "require_same_input",
    "unit_rows",
    "unknown_backbone",
    "write_default",
]
