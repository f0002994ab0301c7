"""What the files of any run say alike, whatever it tells: counts and times, thumbnails, copies, what it was made with."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fovea import __version__
from fovea.errors import PictureError
from fovea.features import Encoder
from fovea.manifest import SplitPlan, fingerprint
from fovea.pages import report as pages
from fovea.pictures import thumbnail_jpeg
from fovea.tasks.copies import Copies
from fovea.tasks.gather import Gathered

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config

SHOWN = pages.MAX_THUMBS


class RunFacts(Protocol):
    """What is known of any finished run; rows are numbers into the manifest."""

    @property
    def config(self) -> "Config":
        """What was asked for."""

    @property
    def encoder(self) -> Encoder:
        """The network."""

    @property
    def gathered(self) -> Gathered:
        """What was read."""

    @property
    def plan(self) -> SplitPlan:
        """The manifest with its sides."""

    @property
    def copies(self) -> Copies:
        """What is there twice."""

    @property
    def rows_train(self) -> NDArray[np.int64]:
        """Rows learned from."""

    @property
    def rows_valid(self) -> NDArray[np.int64]:
        """Rows held out."""

    @property
    def test(self) -> Mapping[str, Any] | None:
        """Figures of the test split."""

    @property
    def test_pairs(self) -> Sequence[tuple[int, int, str]]:
        """Its rows that stand in another split too."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Times by stage."""


def run_facts(evidence: RunFacts) -> dict[str, Any]:
    """Return what metrics.json holds of any run."""
    seconds = {name: round(value, 3) for name, value in evidence.seconds.items()}
    rows = evidence.plan.manifest.rows
    n_contents = len(evidence.gathered.sha256s)
    return {
        "protocol": evidence.plan.protocol,
        "n_train": len(evidence.rows_train),
        "n_valid": len(evidence.rows_valid),
        "n_test": 0 if evidence.test is None else evidence.test["n"],
        "n_quarantined": sum(bool(row.problem) for row in rows),
        "n_near_duplicates": len(evidence.copies.near),
        "images_per_second": round(n_contents / max(seconds["extract"], 1e-9), 1),
        "n_decoded": evidence.gathered.n_decoded,
        "seconds": seconds,
        "backbone": evidence.encoder.name,
        "input_px": [evidence.encoder.preprocess.height_px, evidence.encoder.preprocess.width_px],
        "engine": evidence.encoder.engine,
        "precision": evidence.encoder.precision,
        "seed": evidence.config.seed,
        "data_fingerprint": fingerprint(evidence.plan.manifest),
    }


class Thumbs:
    """Makes the page's pictures from the user's files; none with --private, none where a file has gone."""

    def __init__(self, evidence: RunFacts) -> None:
        self.evidence = evidence
        self.rows = evidence.plan.manifest.rows

    def of(self, row: int, *, answer: str | None = None, probability: float | None = None) -> pages.Thumb:
        """Return the picture of a row."""
        one = self.rows[row]
        return pages.Thumb(
            path=one.path,
            label=one.label,
            answer=answer,
            probability=probability,
            jpeg=self._jpeg(row),
            split=one.split,
        )

    def _jpeg(self, row: int) -> bytes | None:
        if self.evidence.config.private:
            return None
        try:
            return thumbnail_jpeg(self.evidence.plan.manifest.read(self.rows[row]))
        except (OSError, PictureError):
            return None


def twin_pairs(evidence: RunFacts, thumbs: Thumbs) -> tuple[tuple[pages.Pair, ...], int]:
    """Return pairs of rows that show the same, those across the sides first, and how many there are in all."""
    rows = evidence.plan.manifest.rows
    members: dict[int, list[int]] = {}
    for number, k in enumerate(evidence.gathered.content.tolist()):
        if k >= 0:
            members.setdefault(k, []).append(number)
    found = [(same[0], other, "same bytes") for same in members.values() for other in same[1:]]
    found += [
        (members[a][0], members[b][0], "same pixels") for a, b in _couples(evidence.copies.same, members)
    ]
    found += [
        (members[a][0], members[b][0], "near") for a, b in _couples(evidence.copies.near.tolist(), members)
    ]

    found += evidence.test_pairs

    def importance(pair: tuple[int, int, str]) -> tuple[bool, bool]:
        one, other = rows[pair[0]], rows[pair[1]]
        return (one.split == other.split, one.label == other.label)

    found.sort(key=importance)
    shown = tuple(pages.Pair(thumbs.of(a), thumbs.of(b), kind) for a, b, kind in found[: SHOWN // 2])
    return shown, len(found)


def _couples(groups: Iterable[Sequence[int]], members: Mapping[int, list[int]]) -> list[tuple[int, int]]:
    return [
        (group[0], other)
        for group in groups
        for other in group[1:]
        if group[0] in members and other in members
    ]


def conversions(evidence: RunFacts) -> tuple[tuple[str, int], ...]:
    """Return what was done to pictures when they were read, and to how many."""
    counts = Counter(
        name for facts in evidence.gathered.facts if facts is not None for name in facts.conversions
    )
    return tuple(counts.most_common())


def stage_times(metrics: Mapping[str, Any]) -> tuple[pages.StageTime, ...]:
    """Return the times of metrics.json."""
    return tuple(
        pages.StageTime(name, value, metrics["images_per_second"] if name == "extract" else None)
        for name, value in metrics["seconds"].items()
    )


def provenance(evidence: RunFacts, metrics: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return with what the run was made: names and values."""
    encoder, px = evidence.encoder, metrics["input_px"]
    return (
        (
            "backbone",
            f"{encoder.name}, {px[0]} × {px[1]} px (height × width), {encoder.n_features:,} features",
        ),
        ("licence of its weights", encoder.licence),
        ("engine", f"{encoder.engine} {version('openvino')}, {encoder.precision}, {encoder.threads} threads"),
        ("fovea", __version__),
        ("Python", f"{platform.python_version()}, numpy {np.__version__}"),
        ("data fingerprint", metrics["data_fingerprint"]),
    )
