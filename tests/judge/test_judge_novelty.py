"""Distance to what was seen: the false-alarm rate, its neighbours by scikit-learn, its arrays."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.neighbors import NearestNeighbors

from fovea.judge import novelty
from fovea.judge.novelty import NoveltyScore, fit_novelty


def draw(n, *, seed, d=40, classes=(0, 1, 2)):
    """Return non-negative features around one direction a class, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n)
    centres = np.maximum(np.random.default_rng(99).normal(size=(9, d)), 0) * 3
    return np.maximum(centres[labels] + rng.normal(size=(n, d)) * 0.5, 0).astype(np.float32), labels


@pytest.fixture(scope="module")
def fitted():
    features, labels = draw(800, seed=0)
    return fit_novelty(features, labels, folds=np.arange(800) % 4, false_alarm=0.05)


def test_pictures_of_the_same_kind_raise_no_more_alarms_than_stated(fitted):
    n_alarms = int(fitted.is_unlike(draw(4000, seed=1)[0]).sum())
    # the limit itself comes from 800 pictures: the share beyond it varies by 0.8 points
    assert binom.cdf(n_alarms, 4000, 0.05 + 2 * np.sqrt(0.05 * 0.95 / 800)) < 0.999
    assert n_alarms > 4000 * 0.02


def test_pictures_of_another_kind_are_unlike(fitted):
    assert fitted.is_unlike(draw(300, seed=2, classes=(5, 6, 7))[0]).mean() > 0.95


def test_the_distance_is_that_to_the_five_nearest_by_cosine():
    features, labels = draw(60, seed=3)
    fitted = fit_novelty(features, labels, folds=np.arange(60) % 3)
    new = draw(10, seed=4)[0]
    nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(features)
    # 40 columns fit into 64 directions: nothing is projected away, only half precision rounds
    np.testing.assert_allclose(fitted.score(new), nearest.kneighbors(new)[0].mean(axis=1), atol=2e-3)


def test_a_training_picture_is_not_its_own_neighbour_when_the_limit_is_set():
    # every picture stands alone: its own copy would make every distance 0
    features = np.eye(30, dtype=np.float32)
    fitted = fit_novelty(features, np.zeros(30, int), folds=np.arange(30) % 3, false_alarm=0.1)
    assert fitted.limit == pytest.approx(1.0, abs=1e-3)


def test_too_few_pictures_take_the_largest_distance_as_the_limit():
    features, labels = draw(20, seed=5)
    strict = fit_novelty(features, labels, folds=np.arange(20) % 2, false_alarm=0.001)
    loose = fit_novelty(features, labels, folds=np.arange(20) % 2, false_alarm=1 / 21)
    assert strict.limit == loose.limit


def test_only_the_given_columns_count():
    features, labels = draw(100, seed=6)
    noise = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32) * 50
    folds = np.arange(100) % 4
    wide = fit_novelty(np.hstack([noise, features]), labels, folds=folds, columns=(7, 47))
    narrow = fit_novelty(features, labels, folds=folds)
    np.testing.assert_array_equal(wide.score(np.hstack([noise, features])), narrow.score(features))


def test_of_many_pictures_a_rare_class_stays_in_full(monkeypatch):
    monkeypatch.setattr(novelty, "MAX_REFERENCES", 30)
    features, _ = draw(200, seed=7)
    rare, _ = draw(8, seed=8, classes=(6,))
    labels = np.array([0] * 200 + [1] * 8)
    fitted = fit_novelty(np.concatenate([features, rare]), labels, folds=np.arange(208) % 2)
    assert len(fitted.references) == 30
    assert np.median(fitted.score(draw(50, seed=9, classes=(6,))[0])) < fitted.limit


def test_arrays_give_the_same_distances_back(fitted):
    again = NoveltyScore.from_arrays(fitted.to_arrays())
    new = draw(50, seed=10)[0]
    np.testing.assert_array_equal(again.score(new), fitted.score(new))
    assert (again.limit, again.false_alarm, again.columns) == (
        fitted.limit,
        fitted.false_alarm,
        fitted.columns,
    )


def test_a_missing_array_is_named(fitted):
    arrays = fitted.to_arrays()
    del arrays["novelty_limit"]
    with pytest.raises(ValueError) as error:
        NoveltyScore.from_arrays(arrays)
    assert str(error.value) == "the arrays ['novelty_limit'] of the distance to what was seen are missing"


def test_arrays_that_do_not_fit_together_are_refused(fitted):
    arrays = fitted.to_arrays() | {"novelty_references": np.ones((4, 3), np.float16)}
    with pytest.raises(ValueError) as error:
        NoveltyScore.from_arrays(arrays)
    assert str(error.value) == (
        "the shapes [(2,), (40, 40), (4, 3), (2,)] of the distance to what was seen do not fit together"
    )


def test_the_same_seed_gives_the_same_arrays():
    features, labels = draw(100, seed=11)
    one, other = (
        fit_novelty(features, labels, folds=np.arange(100) % 4, seed=3).to_arrays() for _ in range(2)
    )
    assert all((one[name] == other[name]).all() for name in one)


def test_a_picture_without_features_is_unlike_anything(fitted):
    assert fitted.score(np.zeros((1, 40), np.float32)).tolist() == [1.0]
