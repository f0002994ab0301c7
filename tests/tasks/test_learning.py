"""Which pictures a curve is judged by, and which count as one: by hand-made features, and by files with equal pixels."""

import numpy as np
import pytest

from fovea.progress import silent
from fovea.tasks.learning import LabelledFeatures, MeasuredLearning, measure_learning


def measure(n_copies: int) -> MeasuredLearning | None:
    """Measure 60 pictures to learn from and 40 held out, of which so many are copies of such."""
    rng = np.random.default_rng(0)
    units = np.arange(100)
    units[60 : 60 + n_copies] = np.arange(n_copies)
    labelled = LabelledFeatures(
        features=rng.normal(size=(100, 6)).astype(np.float32)[units],
        names=tuple("ab"[unit % 2] for unit in units),
        units=units,
        held_out=np.arange(100) >= 60,
    )
    return measure_learning(labelled, stages=(), seed=0, threads=1, progress=silent)


@pytest.mark.parametrize(
    ("n_copies", "protocol", "n_judged"),
    [(0, "held-out", 40), (20, "held-out", 20), (21, "cross-validated", 100)],
)
def test_copies_of_what_is_learned_from_do_not_judge(n_copies: int, protocol: str, n_judged: int) -> None:
    found = measure(n_copies)
    assert found is not None
    assert (found.protocol, found.n_judged) == (protocol, n_judged)


@pytest.mark.parametrize(("n_a_class", "is_drawn"), [(2, False), (5, True)])
def test_two_pictures_a_class_make_no_curve(n_a_class: int, is_drawn: bool) -> None:
    n = 20 * n_a_class
    labelled = LabelledFeatures(
        features=np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32),
        names=tuple(f"class {k % 20}" for k in range(n)),
        units=np.arange(n),
        held_out=np.zeros(n, bool),
    )
    found = measure_learning(labelled, stages=(), seed=0, threads=1, progress=silent)
    assert (found is not None) == is_drawn


def test_above_a_thousand_pictures_it_is_told_how_many_judged_the_largest_subsets() -> None:
    n = 1400
    labelled = LabelledFeatures(
        features=np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32),
        names=tuple("ab"[k % 2] for k in range(n)),
        units=np.arange(n),
        held_out=np.zeros(n, bool),
    )
    found = measure_learning(labelled, stages=(), seed=0, threads=1, progress=silent)
    assert found is not None
    assert (found.n_judged, found.n_judged_largest) == (n, 2 * n // 5)


def test_shots_of_one_scene_count_once_in_the_interval() -> None:
    widths = []
    for n_shots in (1, 4):
        scenes = np.arange(100) // n_shots
        labelled = LabelledFeatures(
            features=np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)[scenes],
            names=tuple("ab"[scene % 2] for scene in scenes),
            units=scenes,
            held_out=np.zeros(100, bool),
        )
        found = measure_learning(labelled, stages=(), seed=0, threads=1, progress=silent)
        assert found is not None
        low, high = found.learning.intervals[-1]
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]  # 25 different ones against 100
