"""What the cache folder holds (features, indexes, networks), and throwing away what is not used."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from fovea.features.folder import cache_folder
from fovea.features.index_folder import delete_indexes, index_bytes
from fovea.features.opening import FILE_NAME, open_store

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """Features of one encoder: how many, how large, and when last used (seconds since 1970)."""

    name: str
    fingerprint: str
    n_rows: int
    n_bytes: int
    used_at: int


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What the cache folder holds: the store's features by encoder, indexes of catalogues, networks converted from weights."""

    folder: Path
    store: Path
    n_store_bytes: int
    encoders: tuple[StoredEncoder, ...]
    n_backbones: int
    n_backbone_bytes: int
    n_indexes: int = 0
    n_index_bytes: int = 0
    notes: tuple[str, ...] = ()


def describe_cache() -> CacheFacts:
    """Return what the cache folder holds; nothing is made where there is none. Raises StoreError."""
    folder = cache_folder()
    file, backbones = folder / FILE_NAME, folder / "backbones"
    encoders: tuple[StoredEncoder, ...] = ()
    notes: tuple[str, ...] = ()
    if file.is_file():
        with open_store(file) as store:
            encoders = tuple(StoredEncoder(*row) for row in store.encoders())
            notes = tuple(store.notes)
    indexes = index_bytes()
    converted = [one for one in backbones.glob("[!.]*") if one.is_dir()]
    return CacheFacts(
        folder=folder,
        store=file,
        n_store_bytes=sum(one.stat().st_size for one in folder.glob(f"{FILE_NAME}*")),
        encoders=encoders,
        n_backbones=len(converted),
        n_backbone_bytes=sum(one.stat().st_size for one in backbones.rglob("*") if one.is_file()),
        n_indexes=len(indexes),
        n_index_bytes=sum(indexes),
        notes=notes,
    )


def clear_cache(*, unused_days: float = 0.0, fingerprint: str | None = None, backbones: bool = False) -> int:
    """Delete stored features and the indexes made of them, and return how many bytes became free.

    Those of one encoder where `fingerprint` is given (its first digits suffice), and only of encoders not
    used for `unused_days`. `backbones` deletes converted networks too (converting again needs torch), and
    stores that were set aside as damaged. Raises StoreError.
    """
    before = _n_bytes()
    last = int(time.time() - unused_days * _DAY_SECONDS) + 1
    delete_indexes(fingerprint=fingerprint or "", before=last)
    if (cache_folder() / FILE_NAME).is_file():
        with open_store() as store:
            store.forget(before=last, fingerprint=fingerprint or "")
    if backbones:
        shutil.rmtree(cache_folder() / "backbones", ignore_errors=True)
        for damaged in cache_folder().glob(f"{FILE_NAME}.damaged-*"):
            damaged.unlink(missing_ok=True)
    return max(0, before - _n_bytes())


def _n_bytes() -> int:
    return sum(one.stat().st_size for one in cache_folder().rglob("*") if one.is_file())
