"""What to do next, in words: which classes need pictures, which labels a look, or a larger backbone."""

from fovea.judge.intervals import wilson_interval
from fovea.judge.metrics import ClassFigures
from fovea.judge.verdict import Verdict
from fovea.wording import count, percent

WIDE = 0.2  # a recall that is known to +-10 points only
N_NAMED = 3
MANY_SUSPECTS = (
    0.05  # of all pictures: products, known for its label errors, has 2 %; more speaks of a weak network too
)
TEN = 10
FEW_MISTAKES = 0.02  # of the measured pictures: what is left for a better backbone to gain


def next_steps(verdict: Verdict, *, n_quarantined: int = 0, small_backbone: bool = False) -> list[str]:
    """Return sentences, the most useful first.

    Args:
        verdict: of `judge`.
        n_quarantined: how many files could not be used.
        small_backbone: whether a larger one could be taken.
    """
    steps = []
    n_seen = verdict.n_train + (verdict.figures.n if verdict.measured == "valid" else 0)
    if len(verdict.suspects) > MANY_SUSPECTS * n_seen:
        n = len(verdict.suspects)
        told = (
            "contradicts its label firmly: look at it"
            if n == 1
            else "contradict their labels firmly: look at"
        )
        few = "" if n == 1 else " ten of them" if n > TEN else " them"
        steps.append(
            f"{count(n, 'answer')} {told}{few}. If the labels are "
            "right, it is the network that cannot tell these classes apart"
            + (
                ": take a larger one, --backbone NAME (`fovea backbones` lists them)."
                if small_backbone
                else "."
            )
        )
    elif verdict.suspects:
        steps.append(
            f"Look at the likely label errors ({len(verdict.suspects):,}), the first ones first: a wrong "
            "label costs twice, in learning and in measuring. `fovea suspects` shows what speaks for and against each, and how "
            "many to expect."
        )
    if verdict.n_leaked:
        steps.append(
            f"Go by the figures without the {verdict.n_leaked:,} judged pictures that (nearly) stand in the "
            "training part too."
        )
    figures = verdict.figures
    wide = sorted((c for c in figures.per_class if c.n and _width(c) > WIDE), key=_width, reverse=True)
    steps += [_about_class(c, verdict) for c in wide[:N_NAMED]]
    if len(wide) > N_NAMED:
        names = ", ".join(repr(c.class_name) for c in wide[N_NAMED:])
        steps.append(f"Known as roughly: {names}.")
    if figures.classes_left_out:
        names = ", ".join(map(repr, figures.classes_left_out))
        steps.append(f"No judged picture shows {names}: nothing is known about it. Label some.")
    if verdict.unsure.threshold is None:
        steps.append(verdict.unsure.text)
    if n_quarantined:
        steps.append(f"Read why {count(n_quarantined, 'file')} could not be used.")
    if small_backbone:
        steps.append(_about_backbone(verdict))
    return steps


def pictures_to_halve(n_right: int, n: int) -> int:
    """Return how many more judged pictures halve the width of a share's 95 % interval, the share staying so.

    Args:
        n_right: how many of the n are right, 0 to n.
        n: at least 1.
    """
    low, high = wilson_interval(n_right, n)
    wanted = (high - low) / 2
    below, enough = n, 2 * n
    while _width_at(n_right / n, enough) > wanted:
        below, enough = enough, 2 * enough
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if _width_at(n_right / n, middle) <= wanted else (middle, enough)
    return enough - n


def _width_at(share: float, n: int) -> float:
    low, high = wilson_interval(share * n, n)
    return high - low


def _width(c: ClassFigures) -> float:
    return c.recall_interval[1] - c.recall_interval[0]


def _about_class(c: ClassFigures, verdict: Verdict) -> str:
    low, high = c.recall_interval
    more = pictures_to_halve(c.n_right, c.n)
    where = "more of it, labelled,"
    if verdict.measured == "valid":
        # only a part of what is added comes to be judged
        more = round(more * (verdict.figures.n + verdict.n_train) / verdict.figures.n)
        where += " split as now,"
    return (
        f"Add pictures of {c.class_name!r}: {c.n_right} of {c.n} judged ones are right, so it finds "
        f"{percent(low, 0)} to {percent(high, 0)} of them (95 % interval); some {more:,} {where} would halve that interval."
    )


def _about_backbone(verdict: Verdict) -> str:
    part = "valid" if verdict.measured == "valid" else "train"
    suspects = {s.index for s in verdict.suspects if s.part == part}
    n_real = sum(m.index not in suspects for m in verdict.mistakes)
    n = verdict.figures.n
    if n_real < FEW_MISTAKES * n:
        return (
            f"A larger backbone is hardly worth it: beyond likely label errors {n_real:,} of {n:,} judged "
            "pictures are wrong, and none could gain more than these."
        )
    return (
        f"A larger backbone may be worth a try: {n_real:,} of {len(verdict.mistakes):,} mistakes do not look "
        "like wrong labels. Train with --backbone NAME (`fovea backbones` lists them) and --since this run: the report "
        "then says whether the difference is more than chance."
    )
