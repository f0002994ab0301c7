"""What to do next after a training: what its curves advise, and of a failed one nothing that its answers would say."""

from typing import Any

import pytest

from fovea.tasks.train.told import steps_after

LABELS = "Look at the likely label errors (3), the first ones first."


def told(*kinds: str, kept: str = "lenet5", method: str = "scratch") -> dict[str, Any]:
    """Return metrics.json's `training` of trainings called a0, a1, ..., the last one "lenet5", with one finding each."""
    names = [*(f"a{number}" for number in range(len(kinds) - 1)), "lenet5"]
    attempts = [
        {
            "name": name,
            "net": None if name == "a0" else "lenet5",
            "findings": [
                {"kind": kind, "text": f"Seen: {kind}.", "try_next": "" if kind == "fits" else "--lr 0.1"}
            ],
        }
        for name, kind in zip(names, kinds, strict=True)
    ]
    kept_of = [] if kept == "the probe" else [kept] if kept in names else names
    return {"method": method, "kept": kept, "kept_of": kept_of, "attempts": attempts}


def test_what_the_curves_advise_comes_first() -> None:
    assert steps_after(told("overfitting"), [LABELS], n_quarantined=0) == [
        "lenet5: Seen: overfitting. Try next: --lr 0.1.",
        LABELS,
    ]


def test_of_a_training_that_fits_nothing_is_said() -> None:
    assert steps_after(told("fits"), [LABELS], n_quarantined=0) == [LABELS]


@pytest.mark.parametrize("kept", ["lenet5", "the mean of 1 networks"])
def test_the_answers_of_a_failed_training_advise_nothing(kept: str) -> None:
    assert steps_after(told("non-finite", kept=kept), [LABELS], n_quarantined=2) == [
        "lenet5: Seen: non-finite. Try next: --lr 0.1.",
        "Read why 2 files could not be used.",
    ]


def test_a_failed_training_whose_network_was_not_kept_leaves_the_advice() -> None:
    found = steps_after(told("rate too high", kept="the probe", method="auto"), [LABELS], n_quarantined=0)
    assert found == [
        "lenet5: Seen: rate too high. Try next: --method scratch --net lenet5 --lr 0.1.",
        LABELS,
    ]


def test_where_several_ways_were_tried_a_rate_is_advised_for_its_own() -> None:
    assert steps_after(told("rate too high", "too short", method="auto"), [], n_quarantined=0) == [
        "a0: Seen: rate too high. Try next: --method finetune --lr 0.1.",
        "lenet5: Seen: too short. Try next: --method scratch --net lenet5 --lr 0.1.",
    ]


def test_the_same_advice_for_several_networks_is_given_once() -> None:
    found = steps_after(told("overfitting", "too short", "overfitting"), [], n_quarantined=0)
    assert found == [
        "a0: Seen: overfitting. Try next: --lr 0.1.",
        "a1: Seen: too short. Try next: --lr 0.1.",
    ]
