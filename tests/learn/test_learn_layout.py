"""Two dimensions: PCA by hand, how many neighbours stay, and the extra `map` where it is installed."""

import sys

import numpy as np
import pytest

from fovea.errors import MissingExtraError
from fovea.learn.layout import lay_out, neighbours_kept, require_layout

RNG = np.random.default_rng(0)
BUNDLES = (np.repeat(np.eye(6) * 4, 30, axis=0) + RNG.normal(size=(180, 6)) * 0.3).astype(np.float32)
OF = np.repeat(np.arange(6), 30)


def test_pca_takes_the_first_two_columns() -> None:
    assert lay_out(BUNDLES, method="pca").tolist() == BUNDLES[:, :2].tolist()


def test_one_column_lies_on_a_line() -> None:
    assert lay_out(np.array([[1.0], [2.0]], np.float32), method="pca").tolist() == [[1, 0], [2, 0]]


def test_a_map_that_is_the_rows_keeps_all_neighbours() -> None:
    rows = RNG.normal(size=(100, 2)).astype(np.float32)
    assert neighbours_kept(rows, rows[:, ::-1].copy()) == 1.0


def test_a_map_by_chance_keeps_few_neighbours() -> None:
    places = np.random.default_rng(1).normal(size=(180, 2)).astype(np.float32)
    assert neighbours_kept(BUNDLES, places, k=10) == pytest.approx(10 / 179, abs=0.03)


def test_neighbours_kept_are_counted_as_by_hand() -> None:
    rows = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    swapped = np.array([[0.0, 0], [3.0, 0], [1.0, 0], [7.0, 0]], np.float32)
    # nearest in the rows: 1, 0, 1, 2; on the map: 2, 2, 0, 1
    assert neighbours_kept(rows, swapped, k=1) == 0.0
    assert neighbours_kept(rows, rows, k=1) == 1.0


def test_copies_of_a_row_count_as_neighbours_and_the_row_itself_never() -> None:
    rows = np.repeat(np.array([[0.0], [5.0]], np.float32), 3, axis=0)
    assert neighbours_kept(rows, np.column_stack([rows, rows]), k=2) == 1.0


def test_neighbours_stay_together_by_t_sne_of_the_extra() -> None:
    pytest.importorskip("openTSNE")
    places = lay_out(BUNDLES, method="tsne", threads=1)
    assert places.shape == (180, 2)
    centres = np.array([places[k == OF].mean(axis=0) for k in range(6)])
    nearest = np.linalg.norm(places[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == OF).mean() > 0.95
    assert places.tolist() == lay_out(BUNDLES, method="tsne", threads=1).tolist()


def test_rows_that_are_all_the_same_lie_in_one_place() -> None:
    assert lay_out(np.zeros((8, 3), np.float32), method="tsne").tolist() == [[0, 0]] * 8


def test_without_the_extra_its_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MissingExtraError) as refused:
        require_layout("tsne")
    assert str(refused.value) == (
        '--method tsne needs openTSNE. Install it: pip install "fovea-vision[map]"; or take pca, which needs nothing more.'
    )
