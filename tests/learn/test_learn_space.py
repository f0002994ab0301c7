"""The space for comparing without labels: what PCA of scikit-learn says, and what must not matter."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from fovea.learn.space import compare_in

ROWS = np.random.default_rng(0).gamma(2.0, size=(300, 90)).astype(np.float32) @ np.diag(
    np.linspace(3, 0.2, 90)
).astype(np.float32)


def test_distances_are_those_of_pca_on_rows_of_length_one() -> None:
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    theirs = PCA(64, svd_solver="full").fit_transform(unit)
    ours = compare_in(ROWS)
    assert ours.shape == (300, 64)
    assert np.linalg.norm(ours[:50, None] - ours[:50], axis=2) == pytest.approx(
        np.linalg.norm(theirs[:50, None] - theirs[:50], axis=2), abs=0.01
    )
    assert np.abs(np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1]) > 0.999


def test_the_length_of_a_row_does_not_matter() -> None:
    longer = ROWS * np.random.default_rng(1).uniform(0.1, 9, (300, 1)).astype(np.float32)
    assert compare_in(longer) == pytest.approx(compare_in(ROWS), abs=1e-4)


def test_the_longest_direction_comes_first_and_points_to_its_furthest_row() -> None:
    ours = compare_in(ROWS)
    assert (np.diff(ours.var(axis=0)) <= 1e-6).all()
    assert (ours.max(axis=0) >= -ours.min(axis=0)).all()


@pytest.mark.parametrize("shape", [(2, 90), (5, 3), (1, 4)])
def test_few_rows_or_columns_give_as_many_numbers_as_there_are(shape: tuple[int, int]) -> None:
    assert compare_in(ROWS[: shape[0], : shape[1]]).shape == (shape[0], min(shape))


def test_a_row_of_zeros_is_taken_as_it_is() -> None:
    assert np.isfinite(compare_in(np.concatenate([ROWS, np.zeros((1, 90), np.float32)]))).all()
