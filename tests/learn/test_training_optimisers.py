"""Optimisers by name against torch's own, built by hand; Muon for filters against Muon on the matrix."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn.training import Optimisation, ParamGroup, usual_groups
from fovea.learn.training.optimisers import Optimizers, make_optimizer

OFF = torch.amp.GradScaler("cpu", enabled=False)
TORCHS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "adadelta": (torch.optim.Adadelta, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.9}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}


def weight(*shape: int, seed: int = 0) -> torch.nn.Parameter:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if len(shape) == 4:
        values = values.contiguous(memory_format=torch.channels_last)
    return torch.nn.Parameter(values)


def move(optimizer: Optimizers, weights: list[torch.nn.Parameter], *, steps: int) -> None:
    for _ in range(steps):
        for held in weights:
            held.grad = held.detach() * 2 + 1
        optimizer.take_gradients(OFF)
        optimizer.step(OFF)


@pytest.mark.parametrize("name", TORCHS)
def test_each_name_is_torchs_own_optimiser(name: str) -> None:
    own, torchs = weight(3, 2, 3, 3), weight(3, 2, 3, 3)
    settings = Optimisation(optimizer=name, lr=0.05, weight_decay=0.1)
    move(make_optimizer([ParamGroup([own])], settings=settings), [own], steps=3)
    make, named = TORCHS[name]
    move(Optimizers([make([torchs], lr=0.05, weight_decay=0.1, **named)]), [torchs], steps=3)
    torch.testing.assert_close(own, torchs)


@pytest.mark.parametrize("name", [*TORCHS, "muon"])
def test_a_state_that_is_saved_and_loaded_goes_on_bit_for_bit(name: str) -> None:
    weights = [weight(3, 2, 3, 3), weight(2, 3, seed=1), weight(3, seed=2)]
    optimizer = make_optimizer([ParamGroup(weights)], settings=Optimisation(optimizer=name))
    move(optimizer, weights, steps=2)
    copies = [torch.nn.Parameter(held.detach().clone()) for held in weights]
    again = make_optimizer([ParamGroup(copies)], settings=Optimisation(optimizer=name))
    again.load({key: held.contiguous().clone() for key, held in optimizer.state().items()})
    move(optimizer, weights, steps=2)
    move(again, copies, steps=2)
    assert all(torch.equal(one, other) for one, other in zip(weights, copies, strict=True))


def test_muon_moves_filters_as_a_matrix_of_outputs_by_the_rest() -> None:
    filters, classifier = weight(4, 2, 3, 3), weight(2, 4)
    matrix = torch.nn.Parameter(filters.detach().permute(0, 2, 3, 1).reshape(4, 18).clone())
    settings = Optimisation(optimizer="muon", lr=0.01, weight_decay=0.0)
    optimizer = make_optimizer([ParamGroup([filters, classifier])], settings=settings)
    move(optimizer, [filters, classifier], steps=2)
    muon = torch.optim.Muon([matrix], lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    move(Optimizers([muon]), [matrix], steps=2)
    torch.testing.assert_close(filters.permute(0, 2, 3, 1).reshape(4, 18), matrix)


def test_muon_leaves_vectors_and_the_classifier_to_adamw() -> None:
    optimizer = make_optimizer(
        [ParamGroup([weight(4, 3), weight(4), weight(2, 4)])], settings=Optimisation(optimizer="muon")
    )
    shapes = [[tuple(held.shape) for held in part.param_groups[0]["params"]] for part in optimizer.parts]
    assert shapes == [[(4, 3)], [(4,), (2, 4)]]


def test_muon_without_torchs_own_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(InputError) as caught:
        make_optimizer([ParamGroup([weight(2, 2)])], settings=Optimisation(optimizer="muon"))
    assert str(caught.value) == (
        f"The optimizer 'muon' needs torch 2.9 or later, and this is torch {torch.__version__}: run "
        "pip install -U torch, or choose 'adamw'."
    )


def test_groups_learn_at_their_share_of_the_rate() -> None:
    groups = [ParamGroup([weight(2, 2)], lr_factor=0.1), ParamGroup([weight(2)], decay=False)]
    optimizer = make_optimizer(groups, settings=Optimisation(optimizer="adamw", lr=0.01, weight_decay=0.2))
    optimizer.set_rate(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.0005, 0.005])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.0]


def test_usual_groups_decay_matrices_only_and_leave_the_frozen_out() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    network[2].requires_grad_(False)
    groups = [(group.name, group.decay, len(group.params)) for group in usual_groups(network)]
    assert groups == [("weights", True, 1), ("vectors", False, 3)]


def test_a_network_of_which_nothing_learns_is_refused() -> None:
    with pytest.raises(InputError, match=r"No weight of this network may learn: unfreeze some of it"):
        make_optimizer([], settings=Optimisation())
