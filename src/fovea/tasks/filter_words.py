"""What `filter` says: how many got which verdict, and what so few labels can promise."""

from collections.abc import Mapping

from fovea.judge import Cut
from fovea.wording import count


def opening(counts: Mapping[str, int], *, n_labelled: int) -> str:
    """Return in a sentence how many got which verdict."""
    n = sum(counts.values())
    return (
        f"Of {count(n, 'unlabelled picture')} {counts['wanted']:,} are wanted, {counts['junk']:,} junk, {counts['unsure']:,} unsure"
        f"; {n_labelled:,} are labelled."
    )


def tell_cut(name: str, cut: Cut, *, precision: float, confidence: float) -> str:
    """Return in a sentence how many of the pictures said to be `name` are so, and on what grounds."""
    wanted, sure = f"{100 * precision:.4g} %", f"{100 * confidence:.4g} %"
    if cut.is_promised:
        return (
            f"{name}: at least {wanted} are right with {sure} confidence, as far as the {cut.n_labelled:,} labelled pictures were "
            "drawn like the others."
        )
    head = (
        f"{name}: {wanted} right"
        if cut.threshold is not None
        else f"{name}: none is sure enough for {wanted} right"
    )
    basis = " is an estimate, no promise" if cut.threshold is not None else ""
    can = f"support {100 * cut.supported:.0f} %" if cut.supported else "support no promise"
    more = f"; some {cut.n_more_needed:,} more might support it" if cut.n_more_needed else ""
    return f"{head}{basis}: with {sure} confidence {cut.n_labelled:,} labels {can}{more}."
