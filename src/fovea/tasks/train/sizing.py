"""Whether larger pictures are worth their time: the probe of both sizes, cross-validated on the training part.

Networks see more in larger pictures than those that they were trained on, the more so once they are tuned on them (FixRes:
Touvron et al., 2019), where there is more to be seen; where there is not, they are confused. So each user's pictures decide.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError
from fovea.features import Encoder, Store
from fovea.manifest import Manifest
from fovea.tasks.backbones import open_encoder
from fovea.tasks.gather import gather
from fovea.tasks.several import agreed, is_follower
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.choose import Candidate, standings_of
from fovea.tasks.train.input_size import AREA, larger_shape
from fovea.tasks.train.learn import Learned

MOST_SHARE = 1 / 12
"""Of the budget that is left, to read all pictures again."""
N_FIRST = 8
"""Pictures that are read first: the network is made ready meanwhile."""
N_TIMED = 64
"""Pictures that are read then, to know how long all take."""
Probe = tuple[Learned, Encoder]


def suit_size(probe: Probe, *, learn: Callable[[Encoder], Learned], room: Room) -> Probe:
    """Return the probe on larger pictures where that has more right answers and the lower Brier score, else the one there is.

    Only under a budget that has room for it, and where the size was left open. `learn` fits a probe on what another encoder
    sees. It need not be better by more than noise: what is tuned gains more by size than the probe does (lab/LOG.md).
    """
    learned, encoder = probe
    larger = _open_larger(learned, encoder, room=room)
    if larger is None or not _has_time(learned, larger, room=room):
        return probe
    own, size = encoder.preprocess.size, larger.preprocess.size
    room.announce(
        f"Pictures hold more than the {own} px of the network's input shows: it is tried at {size} px too."
    )
    other = learn(larger)
    if other.rows_train.tolist() == learned.rows_train.tolist():
        first, second = standings_of(
            [
                Candidate(name, one.fit.oof_logits, one.fit.seconds)
                for name, one in ((own, learned), (size, other))
            ],
            labels=learned.train_labels,
            seed=room.config.seed,
        )
        is_taken = second.gain > 0 and second.n_right > first.n_right
        why = (
            f"cross-validated on the {first.n:,} training pictures, the probe has a Brier score of {second.brier:.4f} at {size} "
            f"px and of {first.brier:.4f} at {own} px (0 is best), and is right on {second.n_right:,} and {first.n_right:,}"
        )
    else:
        is_taken, why = (
            False,
            f"other pictures are copies of each other at {size} px, so the two cannot be compared",
        )
    is_taken = bool(agreed(float(is_taken), device=room.config.training.how.device))
    cost = f" An answer takes about {AREA:g} times as long." if is_taken else ""
    text = f"Pictures enter at {size if is_taken else own} px: {why}.{cost}"
    room.announce(text)
    chosen, chosen_encoder = (other, larger) if is_taken else probe
    return _with_note(chosen, text), chosen_encoder


def _open_larger(learned: Learned, encoder: Encoder, *, room: Room) -> Encoder | None:
    """Return the network for larger pictures, None where nobody asked for more, they hold no more, or it takes none."""
    config = room.config
    shape = larger_shape(learned.plan.manifest.rows, encoder=encoder)
    if shape is None or config.backbone.size is not None or config.training.how.budget is None:
        return None
    try:
        return open_encoder(replace(config.backbone, size=f"{shape[0]}x{shape[1]}"))
    except BackboneError:  # a network of one size, as most transformers are
        return None


def _has_time(learned: Learned, larger: Encoder, *, room: Room) -> bool:
    """Tell whether reading all pictures again takes a small share of the budget, by a few of them.

    What was told once is told again to a run that goes on where it was interrupted.
    """
    from fovea.learn.training.planned import PlanFile

    budget, device = room.config.training.how.budget or 0.0, room.config.training.how.device
    room.workspace.mkdir(parents=True, exist_ok=True)
    kept = PlanFile(room.workspace / "size.json", job=larger.preprocess.size)
    held = kept.read().get("has_time")
    if held is None:
        opened = np.concatenate([learned.rows_train, learned.rows_valid])
        each = seconds_a_picture(learned.plan.manifest, opened, encoder=larger, store=room.store)
        left = budget - (time.perf_counter() - room.begun)
        held = len(opened) * each <= MOST_SHARE * left
    has_time = bool(agreed(float(held), device=device))
    if not is_follower():
        kept.add(has_time=has_time)
    return has_time


def seconds_a_picture(
    manifest: Manifest, rows: NDArray[np.int64], *, encoder: Encoder, store: Store | None
) -> float:
    """Return the seconds that one of these rows takes to be read by a network that is ready, timed on a few of them."""
    some = rows[np.linspace(0, len(rows) - 1, min(N_FIRST + N_TIMED, len(rows))).astype(int)]
    seconds = 0.0
    for part in (some[:N_FIRST], some[N_FIRST:]):
        sample = manifest.with_rows([manifest.rows[k] for k in part.tolist()])
        seconds = gather(sample, encoder=encoder, store=store).seconds / max(1, len(part))
    return seconds


def _with_note(learned: Learned, text: str) -> Learned:
    manifest = learned.plan.manifest
    return replace(
        learned, plan=replace(learned.plan, manifest=manifest.with_rows(manifest.rows, notes=(text,)))
    )
