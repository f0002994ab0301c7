"""One yes-or-no classifier a label is the one that scikit-learn's LogisticRegression finds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fovea.learn import fit_labels

NAMES = ("dog", "outdoor", "red")


def drawn(n: int, d: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return features (n, d) and three labels, the last a rare one."""
    rng = np.random.default_rng(1)
    features = rng.normal(0, 2, (n, d)).astype(np.float32)
    logits = features[:, :3] * [1.0, -1.0, 0.7] + rng.normal(0, 1, (n, 3)) + [0, 1, -3.5]
    return features, logits > 0


def expected(
    features: NDArray[np.float32], has: NDArray[np.bool_], rows: NDArray[np.bool_], penalty: float
) -> NDArray[np.float64]:
    """Return scikit-learn's logits (n, k) of all rows, fitted on some."""
    z = (features - features.mean(0)) / features.std(0)
    made = []
    for k in range(has.shape[1]):
        fitted = LogisticRegression(C=1 / (penalty * rows.sum()), tol=1e-9, max_iter=5000)
        made.append(fitted.fit(z[rows], has[rows, k]).decision_function(z))
    return np.column_stack(made)


@pytest.mark.parametrize(("n", "d"), [(150, 200), (400, 12)], ids=["rows", "columns"])
def test_the_heads_are_those_of_independent_logistic_regressions(n: int, d: int) -> None:
    features, has = drawn(n, d)
    found = fit_labels(features, has, folds=np.arange(n) % 5, names=NAMES)
    logits = expected(features, has, np.ones(n, bool), found.head.penalty)
    np.testing.assert_allclose(found.head.logits(features), logits, atol=0.02)
    assert found.head.class_names == NAMES


def test_out_of_fold_logits_come_from_a_fit_without_the_fold() -> None:
    features, has = drawn(150, 200)
    folds = np.arange(150) % 5
    found = fit_labels(features, has, folds=folds, names=NAMES)
    for fold in range(5):
        logits = expected(features, has, folds != fold, found.head.penalty)
        np.testing.assert_allclose(found.oof_logits[folds == fold], logits[folds == fold], atol=0.05)


def test_labels_solved_one_after_another_are_those_solved_together(monkeypatch: pytest.MonkeyPatch) -> None:
    features, has = drawn(150, 200)
    together = fit_labels(features, has, folds=np.arange(150) % 5, names=NAMES)
    monkeypatch.setattr("fovea.learn.probe.several._MOST_NUMBERS", 1)
    alone = fit_labels(features, has, folds=np.arange(150) % 5, names=NAMES)
    np.testing.assert_allclose(alone.head.logits(features), together.head.logits(features), atol=1e-3)


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    features, has = drawn(400, 12)
    one, two = (fit_labels(features, has, folds=np.arange(400) % 5, names=NAMES, threads=n) for n in (1, 2))
    assert one.head.weights.tobytes() == two.head.weights.tobytes()


def test_a_fold_without_a_picture_of_a_label_is_no_trouble() -> None:
    features, has = drawn(150, 20)
    has[:, 2] = np.arange(150) % 5 == 0
    found = fit_labels(features, has, folds=np.arange(150) % 5, names=NAMES)
    assert np.isfinite(found.oof_logits).all()
    assert (found.oof_logits[has[:, 2], 2] < -2).all()


def test_one_fold_is_refused() -> None:
    features, has = drawn(20, 6)
    with pytest.raises(ValueError, match="needs two folds or more"):
        fit_labels(features, has, folds=np.zeros(20, np.int64), names=NAMES)
