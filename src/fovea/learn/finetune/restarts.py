"""One training several times from the same start, in other orders; the best by the validation pictures is kept.

Averaging their weights (a model soup: Wortsman et al., 2022) was measured to be worse than one of them (lab/LOG.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fovea.learn.training import History, Score
from fovea.learn.training.averaging import averaged_tensors
from fovea.progress import unheard

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Member:
    history: History
    score: Score
    weights: Weights


def train_best_of(
    network: nn.Module,
    train: Callable[[int], History],
    *,
    n_runs: int,
    score: Callable[[], Score],
    announce: Callable[[str], None] = unheard,
) -> History:
    """Train so many times from where the network stands, and leave the best of them in it.

    Args:
        network: what learns; it is changed in place.
        train: trains it in place, and is told the number of the training, from 0.
        n_runs: how many trainings; one is just that training.
        score: judges what the network holds on the validation pictures.
        announce: told which training begins.

    Returns:
        The history of the best training by the score's penalty, with a note on the others. Trainings that did not stay finite
        count only where none did.
    """
    if n_runs == 1:
        return train(0)
    start = _held_by(network)
    members: list[_Member] = []
    for number in range(n_runs):
        _put(start, into=network)
        announce(f"Training {number + 1} of {n_runs}.")
        members.append(_Member(train(number), score(), _held_by(network)))
    sound = [one for one in members if one.history.stopped != "non-finite"] or members
    ranked = sorted(sound, key=lambda one: one.score.penalty)
    best, worst = ranked[0], ranked[-1]
    _put(best.weights, into=network)
    name = "loss" if best.score.brier is None else "Brier score"
    note = (
        f"The best of {n_runs} trainings in different orders is kept: {name} {best.score.penalty:.4f} on the validation pictures, "
        f"the others up to {worst.score.penalty:.4f}."
    )
    return replace(best.history, notes=(*best.history.notes, note))


def _held_by(network: nn.Module) -> Weights:
    return {name: held.detach().clone() for name, held in averaged_tensors(network).items()}


@torch.no_grad()
def _put(weights: Weights, *, into: nn.Module) -> None:
    for name, held in averaged_tensors(into).items():
        held.copy_(weights[name])
