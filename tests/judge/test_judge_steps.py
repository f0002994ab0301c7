"""What to do next: each sentence appears for its reason, word for word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fovea.judge.intervals import wilson_interval
from fovea.judge.steps import next_steps, pictures_to_halve
from fovea.judge.verdict import judge


def sure(labels, *, k=2, wrong=()):
    """Return logits that are sure of the label, but for the rows `wrong`, sure of the next class."""
    answers = labels.copy()
    answers[list(wrong)] = (answers[list(wrong)] + 1) % k
    return np.eye(k)[answers] * 3


@pytest.fixture
def good():
    labels = np.arange(1000) % 2
    return judge(
        train_labels=labels,
        oof_logits=sure(labels),
        valid_labels=labels,
        valid_logits=sure(labels),
        class_names=("cat", "dog"),
    )


def test_where_all_is_well_nothing_is_to_do(good):
    assert next_steps(good) == []


def test_a_backbone_cannot_gain_where_nothing_is_wrong(good):
    assert next_steps(good, small_backbone=True) == [
        "A larger backbone is hardly worth it: beyond likely label errors 0 of 1,000 judged pictures are wrong, and none "
        "could gain more than these."
    ]


def test_quarantined_files_are_named(good):
    assert next_steps(good, n_quarantined=3) == ["Read why 3 files could not be used."]


def test_a_class_known_roughly_needs_pictures():
    train, valid = np.arange(900) % 2, np.array([0] * 90 + [1] * 10)
    verdict = judge(
        train_labels=train,
        oof_logits=sure(train),
        valid_labels=valid,
        valid_logits=sure(valid, wrong=[98, 99]),
        class_names=("cat", "dog"),
    )
    # 8 of 10 by Wilson: 49 % to 94 %; half as wide at 41 (by the formula), so 31 more of every tenth that is judged
    more = 10 * pictures_to_halve(8, 10)
    assert (
        f"Add pictures of 'dog': 8 of 10 judged ones are right, so it finds 49 % to 94 % of them (95 % interval); some "
        f"{more:,} more of it, labelled, split as now, would halve that interval."
    ) in next_steps(verdict)


def test_without_a_validation_part_every_picture_added_is_judged():
    labels = np.array([0] * 200 + [1] * 12)
    verdict = judge(train_labels=labels, oof_logits=sure(labels, wrong=[0]), class_names=("cat", "dog"))
    steps = next_steps(verdict)
    assert any(
        f"some {pictures_to_halve(12, 12):,} more of it, labelled, would halve" in step for step in steps
    )


def test_after_three_classes_the_others_are_only_named():
    labels = np.arange(40) % 5
    verdict = judge(train_labels=labels, oof_logits=sure(labels, k=5), class_names=tuple("abcde"))
    assert "Known as roughly: 'd', 'e'." in next_steps(verdict)


def test_likely_label_errors_come_first():
    labels = np.arange(1000) % 2
    verdict = judge(train_labels=labels, oof_logits=sure(labels, wrong=range(12)), class_names=("cat", "dog"))
    assert next_steps(verdict)[0] == (
        "Look at the likely label errors (12), the first ones first: a wrong label costs twice, in learning and in measuring. "
        "`fovea suspects` shows what speaks for and against each, and how many to expect."
    )


def test_leaks_send_to_the_figures_without_them():
    labels = np.arange(1000) % 2
    verdict = judge(
        train_labels=labels,
        oof_logits=sure(labels),
        valid_labels=labels,
        valid_logits=sure(labels),
        leaked=np.arange(1000) < 7,
        class_names=("cat", "dog"),
    )
    assert next_steps(verdict) == [
        "Go by the figures without the 7 judged pictures that (nearly) stand in the training part too."
    ]


def test_a_class_nobody_judged_is_named():
    labels = np.arange(1000) % 2
    verdict = judge(
        train_labels=labels,
        oof_logits=sure(labels, k=3),
        valid_labels=labels,
        valid_logits=sure(labels, k=3),
        class_names=("cat", "dog", "owl"),
    )
    assert next_steps(verdict) == ["No judged picture shows 'owl': nothing is known about it. Label some."]


def test_too_few_for_a_promise_says_how_many_more():
    labels = np.arange(30) % 2
    verdict = judge(train_labels=labels, oof_logits=sure(labels), class_names=("cat", "dog"))
    assert verdict.unsure.text in next_steps(verdict)


def test_many_mistakes_that_are_no_label_errors_make_a_backbone_worth_a_try():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    z = rng.normal(size=(600, 2))
    z[np.arange(600), labels] += 1
    verdict = judge(train_labels=labels, oof_logits=z, class_names=("cat", "dog"))
    suspects = {s.index for s in verdict.suspects}
    n_real = sum(m.index not in suspects for m in verdict.mistakes)
    assert next_steps(verdict, small_backbone=True)[-1] == (
        f"A larger backbone may be worth a try: {n_real:,} of {len(verdict.mistakes):,} mistakes do not look like wrong labels. "
        "Train with --backbone NAME (`fovea backbones` lists them) and --since this run: the report then says whether the "
        "difference is more than chance."
    )


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_that_many_more_pictures_halve_the_interval_and_one_fewer_does_not(count):
    n_right, n = count
    low, high = wilson_interval(n_right, n)
    total = n + pictures_to_halve(n_right, n)

    def width(m):  # Wilson 1927
        z = norm.ppf(0.975)
        p = n_right / n
        return 2 * z * np.sqrt(p * (1 - p) / m + z**2 / (4 * m**2)) / (1 + z**2 / m)

    assert width(total) <= (high - low) / 2 + 1e-9
    assert width(total - 1) > (high - low) / 2 - 1e-9
