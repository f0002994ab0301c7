"""Units: rows joined by any shared group."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fovea.manifest import equal_groups, join_units

GROUPS = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=4), max_size=8)


def test_without_links_every_row_is_a_unit() -> None:
    assert join_units(3).tolist() == [0, 1, 2]


def test_links_of_several_kinds_join_through_each_other() -> None:
    assert join_units(6, [[0, 4]], [[4, 2], [3, 5]]).tolist() == [0, 1, 0, 2, 0, 2]


def test_no_rows_have_no_units() -> None:
    assert join_units(0).shape == (0,)


@given(GROUPS, GROUPS)
def test_units_are_the_connected_components_by_first_row(
    first: list[list[int]], second: list[list[int]]
) -> None:
    units = join_units(20, first, second)
    pairs = np.array([(group[0], other) for group in first + second for other in group], dtype=int).reshape(
        -1, 2
    )
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(20, 20))
    _, expected = connected_components(graph, directed=False)  # SciPy is the second implementation.
    assert ((units[:, None] == units) == (expected[:, None] == expected)).all()
    assert list(dict.fromkeys(units.tolist())) == list(range(units.max() + 1))


def test_equal_values_are_grouped_and_empty_ones_are_not() -> None:
    assert equal_groups(["x", "", "y", "x", "", "z", "y", "x"]) == [[0, 3, 7], [2, 6]]
