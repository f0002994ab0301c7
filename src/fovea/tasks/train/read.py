"""The labelled pictures that a run starts from: as they lie, with what a person corrected, under the classes asked for."""

from pathlib import Path

from fovea.errors import InputError
from fovea.manifest import (
    Fix,
    Manifest,
    apply_fixes,
    change_classes,
    read_source,
    require_trainable,
    suggest_target,
)
from fovea.tasks.options import SourceOptions


def read_labelled(photos: Path, source: SourceOptions) -> Manifest:
    """Return the labelled pictures of a folder or table. Raises InputError where they cannot be trained on."""
    return read_fixed(photos, source)[0]


def read_fixed(photos: Path, source: SourceOptions) -> tuple[Manifest, tuple[Fix, ...]]:
    """Return the labelled pictures of a folder or table, and what `source.fixes` says of their labels.

    Raises:
        InputError: they cannot be trained on, or the fixes do not fit them.
    """
    manifest = read_source(
        photos,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
    )
    fixes: tuple[Fix, ...] = ()
    if source.fixes is not None:
        manifest, fixes = apply_fixes(manifest, source.fixes)
    note = suggest_target(manifest)
    manifest = change_classes(manifest, drop=source.drop, merge=source.merge)
    try:
        require_trainable(manifest)
    except InputError as error:
        raise InputError(f"{error} {note}".strip()) from None
    return manifest.with_rows(manifest.rows, notes=(note,) if note else ()), fixes
