"""A model soup: one training several times from the same start, in other orders, and the weights averaged.

Wortsman et al., 2022 (arXiv 2203.05482): what differs by chance between the trainings averages out, at no cost when answering.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fovea.learn.training import History, Score
from fovea.learn.training.averaging import averaged_tensors
from fovea.learn.training.state import is_as_good
from fovea.progress import unheard

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Member:
    score: Score
    weights: Weights


def train_soup(
    network: nn.Module,
    train: Callable[[int], History],
    *,
    n_runs: int,
    score: Callable[[], Score],
    announce: Callable[[str], None] = unheard,
) -> History:
    """Train so many times from where the network stands, and leave the average in it, or a part of it that is better.

    Args:
        network: what learns; it is changed in place.
        train: trains it in place, and is told the number of the training, from 0.
        n_runs: how many trainings; one is just that training.
        score: judges what the network holds on the validation pictures.
        announce: told which training begins.

    Returns:
        The history of the first training, with a note on what was averaged. Trainings that did not stay finite are left out;
        the others join the best one by one while the average is as good, and right as often (the greedy soup of the paper).
    """
    if n_runs == 1:
        return train(0)
    start = _held_by(network)
    histories: list[History] = []
    members: list[_Member] = []
    for number in range(n_runs):
        _put(start, into=network)
        announce(f"Training {number + 1} of {n_runs}.")
        histories.append(train(number))
        if histories[-1].stopped != "non-finite":
            members.append(_Member(score(), _held_by(network)))
    if not members:
        return histories[0]
    members.sort(key=lambda one: one.score.penalty)
    kept, best = members[:1], members[0].score
    for one in members[1:]:
        _put(_mean([*kept, one]), into=network)
        found = score()
        if is_as_good(found, best.penalty) and found.accuracy >= best.accuracy:
            kept.append(one)
            best = found
    _put(_mean(kept), into=network)
    name = "loss" if best.brier is None else "Brier score"
    note = (
        f"The weights of {len(kept)} of {n_runs} trainings are averaged: {name} {best.penalty:.4f} on the validation pictures, "
        f"{members[0].score.penalty:.4f} to {members[-1].score.penalty:.4f} of each by itself. The curves are the first one's."
    )
    return replace(histories[0], notes=(*histories[0].notes, note))


def _held_by(network: nn.Module) -> Weights:
    return {name: held.detach().clone() for name, held in averaged_tensors(network).items()}


def _mean(members: list[_Member]) -> Weights:
    names = members[0].weights
    return {name: torch.stack([one.weights[name] for one in members]).mean(0) for name in names}


@torch.no_grad()
def _put(weights: Weights, *, into: nn.Module) -> None:
    for name, held in averaged_tensors(into).items():
        held.copy_(weights[name])
