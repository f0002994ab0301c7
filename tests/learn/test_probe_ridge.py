"""The ridge regression is the one that scikit-learn's Ridge finds, in both systems, and so are its folds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from fovea.learn import fit_ridge


def drawn(n: int, d: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return features (n, d) and values that depend on a few of them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(2, 3, (n, d)).astype(np.float32)
    weights = np.zeros(d)
    weights[:5] = [3, -2, 1, 0.5, 4]
    return features, features @ weights + rng.normal(0, 4, n) + 100


def standardised(features: NDArray[np.float32]) -> NDArray[np.float64]:
    return (features - features.mean(0)) / features.std(0).astype(np.float64)


@pytest.mark.parametrize(("n", "d"), [(60, 200), (300, 20)], ids=["rows", "columns"])
def test_the_head_is_that_of_an_independent_ridge_regression(n: int, d: int) -> None:
    features, values = drawn(n, d)
    found = fit_ridge(features, values, folds=np.arange(n) % 5)
    z = standardised(features)
    expected = Ridge(alpha=found.head.penalty * n).fit(z, values)
    np.testing.assert_allclose(found.head.logits(features)[:, 0], expected.predict(z), rtol=1e-3)


@pytest.mark.parametrize(("n", "d"), [(60, 200), (300, 20)], ids=["rows", "columns"])
def test_out_of_fold_values_come_from_a_fit_without_the_fold(n: int, d: int) -> None:
    features, values = drawn(n, d)
    folds = np.arange(n) % 5
    found = fit_ridge(features, values, folds=folds)
    z = standardised(features)
    for fold in range(5):
        out = folds == fold
        expected = Ridge(alpha=found.head.penalty * (~out).sum()).fit(z[~out], values[~out]).predict(z[out])
        np.testing.assert_allclose(found.oof_values[out], expected, rtol=1e-3)


@pytest.mark.parametrize(("n", "d"), [(60, 200), (300, 20)], ids=["rows", "columns"])
def test_no_penalty_on_the_ladder_has_a_smaller_held_out_error(n: int, d: int) -> None:
    features, values = drawn(n, d)
    folds, z = np.arange(n) % 5, standardised(features)
    found = fit_ridge(features, values, folds=folds)

    def error(penalty: float) -> float:
        missed = 0.0
        for fold in range(5):
            out = folds == fold
            fitted = Ridge(alpha=penalty * (~out).sum()).fit(z[~out], values[~out])
            missed += np.square(fitted.predict(z[out]) - values[out]).sum()
        return missed / n

    ladder = [10.0 ** (power / 2) for power in range(-8, 11)]
    assert error(found.head.penalty) <= 1.0002 * min(map(error, ladder))


def test_a_second_view_equal_to_the_first_changes_nothing() -> None:
    features, values = drawn(80, 30)
    folds = np.arange(80) % 5
    plain = fit_ridge(features, values, folds=folds)
    twice = fit_ridge(features, values, folds=folds, extra_views=features[:, None])
    np.testing.assert_allclose(twice.oof_values, plain.oof_values, rtol=1e-3)


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    features, values = drawn(300, 20)
    one, two = (fit_ridge(features, values, folds=np.arange(300) % 5, threads=n) for n in (1, 2))
    assert one.head.weights.tobytes() == two.head.weights.tobytes()
    assert one.oof_values.tobytes() == two.oof_values.tobytes()


def test_numbers_far_from_zero_keep_their_digits() -> None:
    features, values = drawn(300, 20)
    near, far = (fit_ridge(features, values + shift, folds=np.arange(300) % 5) for shift in (0, 1e6))
    np.testing.assert_allclose(far.oof_values - 1e6, near.oof_values, atol=1e-3)


def test_one_fold_is_refused() -> None:
    features, values = drawn(20, 6)
    with pytest.raises(ValueError, match="needs two folds or more"):
        fit_ridge(features, values, folds=np.zeros(20, np.int64))


def test_equal_values_are_refused() -> None:
    features, _ = drawn(20, 6)
    with pytest.raises(ValueError, match="all values are equal"):
        fit_ridge(features, np.ones(20), folds=np.arange(20) % 5)
