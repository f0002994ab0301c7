"""What `duplicates --html` shows, as plain values (`DuplicatesPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Section, Thumb
from fovea.pages.templating import read_template, render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class ShownCopy:
    """One picture of a group: `kind` says how it is a copy of the one that stays, "" for that one itself."""

    thumb: Thumb
    size: str  # "300 x 432", in pixels
    n_bytes: int
    kind: str = ""
    is_mirrored: bool = False
    difference: float = 0.0


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Some copies of one picture, what stays first; `n`, `n_labels` and `n_splits` count in those not given too."""

    copies: tuple[ShownCopy, ...]
    n: int
    n_labels: int
    n_splits: int


@dataclass(frozen=True, slots=True)
class DuplicatesPage:
    """All that the page of `duplicates` shows; empty parts vanish. `n_removable` are (kind, pictures), `recalls` (alteration,
    share found of `n_planted` planted copies), `scenes` (some pictures, how many there are)."""

    title: str
    n_pictures: int
    n_groups: int
    n_removable: tuple[tuple[str, int], ...]
    n_scenes: int
    groups: tuple[CopyGroup, ...]
    scenes: tuple[tuple[tuple[Thumb, ...], int], ...] = ()
    doubtful: tuple[tuple[Thumb, Thumb, float], ...] = ()  # with their difference
    recalls: tuple[tuple[str, float], ...] = ()
    n_planted: int = 0
    n_strangers: float = 0.0
    csv: str = ""
    quarantined: tuple[tuple[str, str], ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_duplicates(page: DuplicatesPage) -> str:
    """Return the page of `duplicates`: one file that needs nothing else, the same bytes for the same values."""
    page = named(without_secrets(page) if page.private else page)
    return render(
        "command.html",
        command="duplicates",
        page=page,
        opening=_opening(page),
        sections=[section for section in _sections(page) if section.entries],
        style=read_template("duplicates.css"),
        max_rows=MAX_ROWS,
    )


def _opening(page: DuplicatesPage) -> tuple[str, str]:
    n = sum(n for _, n in page.n_removable)
    if not n:
        return f"No copies among {plural(page.n_pictures, 'picture')}", "."
    by_kind = ", ".join(f"{count:,} {kind}" for kind, count in page.n_removable if count)
    text = (
        f"{plural(n, 'picture')} of {page.n_pictures:,} {'is a copy' if n == 1 else 'are copies'} of another"
    )
    return text, f" ({by_kind}), in {plural(page.n_groups, 'group')}. Nothing was removed or changed."


def _sections(page: DuplicatesPage) -> list[Section]:
    return [
        Section("groups", "Copies", page.groups),
        Section("doubtful", "Just not taken for copies", page.doubtful),
        Section("scenes", "Much alike: one scene or one thing in another shot", page.scenes),
        Section("planted", "How sure this is", page.recalls),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
