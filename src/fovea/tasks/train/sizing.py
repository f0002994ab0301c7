"""Whether larger pictures are worth their time: the probe of both sizes, cross-validated on the training part.

Networks see more in larger pictures than those that they were trained on (FixRes: Touvron et al., 2019), where there is more
to be seen; where there is not, they are confused. So it is measured, on each user's pictures.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from fovea.features import Encoder
from fovea.tasks.backbones import open_encoder
from fovea.tasks.several import agreed
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.choose import Candidate, standings_of
from fovea.tasks.train.input_size import AREA, larger_shape
from fovea.tasks.train.learn import Learned
from fovea.tasks.train.method import USUAL_RATE

MOST_SHARE = 1 / 12
"""Of the budget that is left, to read all pictures again."""
Probe = tuple[Learned, Encoder]


def suit_size(probe: Probe, *, learn: Callable[[Encoder], Learned], room: Room) -> Probe:
    """Return the probe on larger pictures where they make it better by more than noise, else the one that is there.

    Only where a budget has room for it, and the size was left open. `learn` fits a probe on what another encoder sees.
    """
    learned, encoder = probe
    shape = larger_shape(learned.plan.manifest.rows, encoder=encoder)
    if shape is None or room.config.backbone.size is not None or not _has_time(learned, room=room):
        return probe
    size = f"{shape[0]}x{shape[1]}"
    larger = open_encoder(replace(room.config.backbone, size=size))
    other = learn(larger)
    own = f"{encoder.preprocess.height_px}x{encoder.preprocess.width_px}"
    if other.rows_train.tolist() != learned.rows_train.tolist():
        return probe  # copies were found otherwise: two sets of pictures cannot be compared
    first, second = standings_of(
        [
            Candidate(f"{name} px", one.fit.oof_logits, one.fit.seconds)
            for name, one in ((own, learned), (size, other))
        ],
        labels=learned.train_labels,
        seed=room.config.seed,
    )
    text = (
        f"Pictures enter at {size if second.is_better else own} px: cross-validated on the {first.n:,} training pictures, the "
        f"probe is right on {first.n_right:,} at {own} px and on {second.n_right:,} at {size} px"
        f"{'' if second.is_better else ', which is not better by more than noise'}."
    )
    room.announce(text)
    chosen, chosen_encoder = (other, larger) if second.is_better else probe
    return _with_note(chosen, text), chosen_encoder


def _has_time(learned: Learned, *, room: Room) -> bool:
    """Tell whether reading all pictures again takes a small share of the budget; without a budget nobody asked for more.

    What was told once is told again to a run that goes on where it was interrupted.
    """
    from fovea.learn.training.planned import PlanFile

    how, gathered = room.config.training.how, learned.gathered
    if how.budget is None:
        return False
    room.workspace.mkdir(parents=True, exist_ok=True)
    kept = PlanFile(room.workspace / "size.json", job="")
    n = len(learned.rows_train) + len(learned.rows_valid)
    rate = gathered.n_decoded / max(gathered.seconds, 1e-9) if 2 * gathered.n_decoded > n else USUAL_RATE
    left = agreed(how.budget - (time.perf_counter() - room.begun), device=how.device) or 0.0
    has_time = bool(kept.read().get("has_time", AREA * n / rate <= MOST_SHARE * left))
    kept.add(has_time=has_time)
    return has_time


def _with_note(learned: Learned, text: str) -> Learned:
    manifest = learned.plan.manifest
    return replace(
        learned, plan=replace(learned.plan, manifest=manifest.with_rows(manifest.rows, notes=(text,)))
    )
