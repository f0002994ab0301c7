"""Encoders, the store of features, extraction."""

from fovea.features.backbones import load_encoder, open_backbone
from fovea.features.cache import CacheFacts, StoredEncoder, clear_cache, describe_cache
from fovea.features.card import BackboneCard, read_card
from fovea.features.encoder import Encoder, Preprocess, Stage
from fovea.features.extract import Extraction, Item, extract
from fovea.features.folder import cache_folder
from fovea.features.hashing import Hashed, Part, read_hashes
from fovea.features.opening import open_store
from fovea.features.processor import available_cores, has_native_bf16
from fovea.features.store import Known, Look, Store

__all__ = [
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
    "Stage",
    "Store",
    "StoredEncoder",
    "available_cores",
    "cache_folder",
    "clear_cache",
    "describe_cache",
    "extract",
    "has_native_bf16",
    "load_encoder",
    "open_backbone",
    "open_store",
    "read_card",
    "read_hashes",
]
