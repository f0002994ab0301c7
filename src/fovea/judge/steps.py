"""What to do next, in words: which classes need pictures, which labels to look at, whether a larger backbone is worth a try."""

from fovea.judge.intervals import wilson_interval
from fovea.judge.metrics import ClassFigures
from fovea.judge.verdict import Verdict

WIDE = 0.2  # a recall known to no better than +-10 points is worth more pictures
N_NAMED = 3


def next_steps(verdict: Verdict, *, n_quarantined: int = 0, small_backbone: bool = False) -> list[str]:
    """Return sentences, the most useful first.

    Args:
        verdict: of `judge`.
        n_quarantined: how many files could not be used.
        small_backbone: whether a larger one could be taken.
    """
    steps = []
    n_suspects = len(verdict.suspects)
    if n_suspects:
        steps.append(
            f"Look at the {n_suspects:,} likely label errors, the first ones first: a wrong label costs twice, "
            "in learning and in measuring."
        )
    wide = sorted(
        (c for c in verdict.figures.per_class if c.n and _width(c) > WIDE), key=_width, reverse=True
    )
    for c in wide[:N_NAMED]:
        low, high = c.recall_interval
        steps.append(
            f"Class {c.class_name!r} is known only roughly ({c.n_right} of {c.n} right, 95 % interval {low:.0%} to {high:.0%}): "
            f"some {_labelled_for_half(c, verdict):,} more labelled pictures would halve the interval."
        )
    n_leaked = verdict.n_leaked
    if n_leaked:
        steps.append(
            f"{n_leaked:,} validation pictures are (nearly) in the training part too: go by the figures without them."
        )
    if n_quarantined:
        steps.append(f"{n_quarantined:,} files could not be used: the list says why.")
    if small_backbone:
        steps.append(_about_backbone(verdict))
    return steps


def pictures_to_halve(n_right: int, n: int) -> int:
    """Return how many more measured pictures halve the width of a share's 95 % interval, the share staying as it is."""
    low, high = wilson_interval(n_right, n)
    wanted, total = (high - low) / 2, n
    while True:
        total += max(1, total // 50)
        low, high = wilson_interval(round(n_right * total / n), total)
        if high - low <= wanted:
            return total - n


def _width(c: ClassFigures) -> float:
    return c.recall_interval[1] - c.recall_interval[0]


def _labelled_for_half(c: ClassFigures, verdict: Verdict) -> int:
    more = pictures_to_halve(c.n_right, c.n)
    if verdict.measured != "valid":
        return more
    return round(more * (verdict.figures.n + verdict.n_train) / verdict.figures.n)


def _about_backbone(verdict: Verdict) -> str:
    suspects = {(s.part, s.index) for s in verdict.suspects}
    part = "valid" if verdict.measured == "valid" else "train"
    real = [m for m in verdict.mistakes if (part, m.index) not in suspects]
    n_all = len(verdict.mistakes)
    if len(real) < 0.02 * verdict.figures.n:
        return (
            f"A larger backbone is hardly worth it: {len(real):,} of {verdict.figures.n:,} measured pictures are wrong "
            "beyond what wrong labels explain."
        )
    return (
        f"A larger backbone may be worth a try: {len(real):,} of {n_all:,} mistakes do not look like wrong labels. "
        "Train with --weights and --since this run: the report says whether the difference is more than chance."
    )
