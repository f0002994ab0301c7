"""What can be learned from a manifest: other classes without touching files, no to the untrainable."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fovea.errors import InputError
from fovea.manifest.rows import Manifest, Row
from fovea.wording import count, did_you_mean, some

EXAMPLE_LAYOUT = (
    "Put the pictures of each class into a folder of its own, for example photos/cat/1.jpg, "
    "photos/cat/2.jpg, photos/dog/1.jpg, photos/dog/2.jpg, and give the folder photos; or give a CSV table "
    "with the columns path,label."
)

_TRAINING = (
    ("t10k-images", "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz", "mnist (or fashion-mnist)."),
    ("test_batch", "data_batch_1 to data_batch_5", "cifar10."),
)
"""How a held-out file's name starts, which files of the same set hold what to learn from, and how they are fetched."""
_FETCHED = "put them into the same folder, or fetch the whole set with fovea data "
_PUT = (
    "folders train/CLASS beside those given, or, in a table, rows whose column split is 'train' or empty. Pictures in "
    "CLASS folders alone do without: a validation part is then drawn from them."
)


def change_classes(
    manifest: Manifest, *, drop: Sequence[str] = (), merge: Mapping[str, str] | None = None
) -> Manifest:
    """Return the manifest without the classes in `drop`, and with each class in `merge` under its new name.

    All changes are made at once: with merge {"a": "b", "b": "c"}, what was "a" becomes "b". No file is
    touched.

    Raises:
        InputError: a class that is not there, one both dropped and merged, or a new name without letters.
    """
    merge = merge or {}
    known = sorted({row.label for row in manifest.rows if row.label is not None})
    require_known_classes(drop, option="--drop", known=known)
    require_known_classes(merge, option="--merge", known=known)
    for name in drop:
        if name in merge:
            raise InputError(
                f"The class {name!r} is both dropped and merged; give it to --drop or to --merge, not both."
            )
    for old, new in merge.items():
        if not new.strip():
            raise InputError(
                f"--merge gives class {old!r} an empty name; write it as --merge {old}=NEW_NAME."
            )
    counts = Counter(row.label for row in manifest.rows)
    notes = [
        f"Class {name!r} was dropped ({count(counts[name], 'picture')})." for name in dict.fromkeys(drop)
    ]
    notes += [
        f"Class {old!r} was merged into {new!r} ({count(counts[old], 'picture')})."
        for old, new in merge.items()
        if old != new
    ]
    kept = (row for row in manifest.rows if row.label not in drop)
    return manifest.with_rows((_renamed(row, merge=merge) for row in kept), notes=notes)


def _renamed(row: Row, *, merge: Mapping[str, str]) -> Row:
    if row.label is None or row.label not in merge:
        return row
    return replace(row, label=merge[row.label])


def require_known_classes(
    names: Sequence[str] | Mapping[str, str], *, option: str, known: Sequence[str], what: str = "class"
) -> None:
    """Raise InputError where an option names a class (or label) that is not there."""
    unknown = [name for name in names if name not in known]
    if unknown:
        name = unknown[0]
        raise InputError(
            f"{option} names the {what} {name!r}, which is not there{did_you_mean(name, known)}. The "
            f"{count(len(known), what, 'classes' if what == 'class' else '')}: {some(known, shown=20)}."
        )


def require_trainable(manifest: Manifest) -> None:
    """Raise unless there are at least two classes with two different readable pictures each to learn from.

    Call it before reading the pictures and again after, when broken ones have their `problem`. Pictures of
    the given valid and test splits do not count: nothing is learned from them.

    Raises:
        InputError: nothing is readable, nothing is labelled, one class only, or a class with a single
        picture.
    """
    usable = [row for row in manifest.rows if not row.problem]
    if not usable:
        raise InputError(nothing_readable(manifest))
    labelled = [row for row in usable if row.label is not None]
    pool = [row for row in labelled if row.split in {"", "train"}]
    if not labelled:
        raise InputError(f"None of the {count(len(usable), 'picture')} has a label. {EXAMPLE_LAYOUT}")
    if not pool:
        raise InputError(_held_out(labelled))
    # The same file twice is one picture; before reading, every file counts as different.
    distinct = {(row.label or "", row.sha256 or row.path) for row in pool}
    counts = Counter(label for label, _ in distinct)
    if len(counts) == 1:
        name, n = next(iter(counts.items()))
        said = (*manifest.notes, *unreadable_classes(manifest), EXAMPLE_LAYOUT)
        raise InputError(
            f"There is one class only: {name!r} with {count(n, 'picture')}. A classifier needs at least two "
            f"classes with two pictures each. {' '.join(said)}"
        )
    if 1 in counts.values():
        raise InputError(_single(counts))


def unreadable_classes(manifest: Manifest) -> tuple[str, ...]:
    """Return a sentence for each class of which nothing to learn from can be read, with the counts by reason."""
    problems: dict[str, list[str]] = {}
    for row in manifest.rows:
        if row.label is not None and row.split in {"", "train"}:
            problems.setdefault(row.label, []).append(row.problem)
    return tuple(
        f"Class {name!r} is left out: 0 of {count(len(found), 'file')} to learn from could be read as a picture: "
        f"{_reasons(found)}."
        for name, found in sorted(problems.items())
        if all(found)
    )


def _single(counts: Mapping[str, int]) -> str:
    names = sorted(name for name, n in counts.items() if n == 1)
    others = [f"{name!r} with {n:,}" for name, n in sorted(counts.items()) if n > 1]
    which = (
        f"Class {names[0]!r} has a single picture to learn from"
        if len(names) == 1
        else f"{len(names):,} of {len(counts):,} classes have a single picture to learn from: {some(names)}"
    )
    more = f" and {len(others) - 5:,} more" if len(others) > 5 else ""
    beside = f" The others: {', '.join(others[:5])}{more}." if others else ""
    drops = " ".join(f"--drop {name!r}" for name in names[:3])
    return (
        f"{which} (the same file twice counts once).{beside} A class needs at least two pictures, and ten or "
        f"more to be judged well: add pictures, leave the class out with {drops}, or join it to another with "
        f"--merge. {EXAMPLE_LAYOUT}"
    )


def _reasons(problems: Sequence[str]) -> str:
    reasons = Counter(problems)
    listed = "; ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common(5))
    return f"{listed}; and {len(reasons) - 5:,} other reasons" if len(reasons) > 5 else listed


def _held_out(rows: Sequence[Row]) -> str:
    splits = sorted({row.split for row in rows}, reverse=True)
    there = f"the {' and the '.join(splits)} {'split is' if len(splits) == 1 else 'splits are'} there"
    name = Path(rows[0].path).name
    missing = next(
        (f"{files}; {_FETCHED}{known}" for start, files, known in _TRAINING if name.startswith(start)), _PUT
    )
    return (
        f"Only {there} ({count(len(rows), 'labelled picture')}): there is nothing to learn from. Add the training part: "
        f"{missing}"
    )


def nothing_readable(manifest: Manifest) -> str:
    """Return why nothing can be learned from: no picture, or none that can be read, with the counts by reason."""
    if not manifest.rows:
        return f"There are no pictures to learn from. {EXAMPLE_LAYOUT}"
    reasons = _reasons([row.problem for row in manifest.rows])
    return (
        f"0 of {count(len(manifest.rows), 'file')} could be read as a picture: {reasons}. "
        f"JPEG, PNG, WebP, GIF, BMP, TIFF, PPM and AVIF pictures can be read. {EXAMPLE_LAYOUT}"
    )
