"""Groups of rows: hand-made ones, a second implementation of modularity, and the laws of grouping."""

import tracemalloc

import networkx
import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.learn import groups
from fovea.learn.groups import MAX_ROWS, RESOLUTION, Graph, communities, group, join, tie


def bundles(seed: int, *, k: int = 4, each: int = 40, spread: float = 0.25) -> tuple[NDArray, NDArray]:
    """Return k bundles of rows about directions at right angles, and which is which."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(k), each)[rng.permutation(k * each)]
    return (np.eye(8)[of] + rng.normal(size=(k * each, 8)) * spread).astype(np.float32), of


def same(found: NDArray, of: NDArray) -> bool:
    """Tell whether two numberings divide alike."""
    return (
        len(set(zip(found.tolist(), of.tolist(), strict=True)))
        == len(set(found.tolist()))
        == len(set(of.tolist()))
    )


def test_bundles_of_directions_are_found_with_their_number() -> None:
    rows, of = bundles(0)
    assert same(group(rows), of)


def test_rings_that_no_centre_tells_apart_are_found() -> None:
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rings = [np.column_stack([np.cos(turn), np.sin(turn), np.full(200, z)]) for z in (-0.6, 0.6)]
    rows = np.concatenate(rings).astype(np.float32)
    assert same(group(rows, n_groups=2), np.repeat([0, 1], 200))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 25, 160])
def test_as_many_groups_come_as_are_asked_for(k: int) -> None:
    found = group(bundles(1)[0], n_groups=k)
    assert sorted(set(found.tolist())) == list(range(k))


def test_the_largest_group_comes_first() -> None:
    rows, of = bundles(2, each=100)
    kept = np.concatenate([np.flatnonzero(of == k)[: 40 + 20 * k] for k in range(4)])
    assert np.bincount(group(rows[kept])).tolist() == [100, 80, 60, 40]


def test_ties_are_the_shares_of_neighbours_in_common() -> None:
    rows = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    graph = tie(rows, n_neighbours=1)
    # each of the pairs 0, 1 and 2, 3 has the two themselves as neighbours, and nothing else: all in common
    assert graph.others.tolist() == [1, 0, 3, 2]
    assert graph.weights.tolist() == [1, 1, 1, 1]


def test_ties_are_counted_as_sets_are() -> None:
    rows = bundles(7, spread=0.5)[0]
    graph = tie(rows, n_neighbours=6)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = unit @ unit.T - 9 * np.eye(len(rows))
    near = [{*np.argsort(-line)[:6].tolist(), own} for own, line in enumerate(likeness)]
    expected = {
        (i, j): len(near[i] & near[j]) / len(near[i] | near[j])
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j and (i in near[j] or j in near[i])
    }
    of = np.repeat(np.arange(len(rows)), np.diff(graph.starts))
    found = dict(zip(zip(of.tolist(), graph.others.tolist(), strict=True), graph.weights, strict=True))
    assert found == pytest.approx(expected)


def test_thousands_of_the_same_row_take_little_memory() -> None:
    rows = np.ones((3000, 2), np.float32)
    tracemalloc.start()
    graph = tie(rows, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(graph.starts) == 3001
    assert peak < 50e6  # what every two share would be 9 million numbers: 72 MB, and copies of them


def dense_join(graph: Graph, n_groups: int) -> NDArray:
    """Return what joining the closest two gives when all closenesses are computed anew each time."""
    n = len(graph.starts) - 1
    ties, name = np.zeros((n, n)), np.arange(n)
    ties[np.repeat(np.arange(n), np.diff(graph.starts)), graph.others] = graph.weights
    for _ in range(n - n_groups):
        degree = ties.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            closeness = np.nan_to_num(ties / degree / degree[:, None], nan=-1)
        np.fill_diagonal(closeness, -1)
        a, b = sorted(np.unravel_index(closeness.argmax(), closeness.shape))
        ties[a] += ties[b]
        ties[:, a] += ties[:, b]
        ties[b] = ties[:, b] = 0
        name[name == b] = a
    return name


@pytest.mark.parametrize("n_groups", [1, 5, 40, 159])
def test_the_closest_are_joined_as_by_a_table_of_all_pairs(n_groups: int) -> None:
    graph = tie(bundles(8, spread=0.8)[0])
    assert same(join(graph, n_groups=n_groups), dense_join(graph, n_groups))


def test_what_nothing_ties_is_joined_from_the_smallest_on() -> None:
    # three pairs and a lone one: the lone one has no ties at all, and the loosest pair the fewest
    pairs, weights = [1, 0, 3, 2, 5, 4], [1.0, 1, 2, 2, 3, 3]
    graph = Graph(np.array([0, 1, 2, 3, 4, 5, 6, 6]), np.array(pairs), np.array(weights))
    assert same(join(graph, n_groups=3), np.array([0, 0, 1, 1, 2, 2, 0]))
    assert same(join(graph, n_groups=2), np.array([0, 0, 0, 0, 1, 1, 0]))


def test_very_many_groups_take_little_memory() -> None:
    n = 4000
    others = np.column_stack([np.arange(n) - 1, np.arange(n) + 1]) % n
    graph = Graph(np.arange(n + 1) * 2, others.ravel(), np.ones(2 * n))
    tracemalloc.start()
    found = join(graph, n_groups=n - 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(found.tolist())) == n - 10
    assert peak < 20e6  # a table of all pairs would be 128 MB


def test_very_many_groups_take_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        groups, "communities", lambda *args, **settings: asked.append(1) or communities(*args, **settings)
    )
    found = group(bundles(9, each=150, spread=0.5)[0], n_groups=400)
    assert len(set(found.tolist())) == 400
    assert len(asked) <= 8  # half as much again each time: 12


@pytest.mark.parametrize("resolution", [0.5, 1.0, 2.0])
def test_modularity_is_as_high_as_networkxs(resolution: float) -> None:
    graph = tie(bundles(3, spread=0.5)[0])
    n = len(graph.starts) - 1
    theirs = networkx.Graph()
    theirs.add_nodes_from(range(n))
    for i in range(n):
        some = slice(graph.starts[i], graph.starts[i + 1])
        theirs.add_weighted_edges_from(
            (i, int(j), w) for j, w in zip(graph.others[some], graph.weights[some], strict=True)
        )
    found = communities(graph, resolution=resolution)
    ours = [set(np.flatnonzero(found == c).tolist()) for c in range(found.max() + 1)]
    quality = networkx.community.modularity(theirs, ours, resolution=resolution)
    best = networkx.community.louvain_communities(theirs, resolution=resolution, seed=0)
    assert quality >= networkx.community.modularity(theirs, best, resolution=resolution) - 0.01


def test_a_higher_resolution_makes_more_groups() -> None:
    graph = tie(bundles(4, spread=0.5)[0])
    numbers = [communities(graph, resolution=r).max() + 1 for r in (0.2, RESOLUTION, 2.0, 8.0)]
    assert numbers == sorted(numbers)


def test_the_same_input_gives_the_same_groups_in_any_number_of_threads() -> None:
    rows, _ = bundles(5, spread=0.5)
    assert group(rows, threads=1).tolist() == group(rows, threads=3).tolist()


def test_of_very_many_rows_the_others_go_with_their_nearest() -> None:
    rows, of = bundles(6, each=MAX_ROWS // 4 + 200, spread=0.1)
    assert same(group(rows, n_groups=4), of)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_rows_are_one_group(n: int) -> None:
    assert group(np.eye(2, dtype=np.float32)[:n]).tolist() == [0] * n


def test_rows_that_are_all_the_same_are_grouped_too() -> None:
    assert group(np.ones((30, 4), np.float32)).shape == (30,)


def test_more_groups_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^2 rows cannot make 3 groups; take a number from 1 to 2$"):
        group(np.eye(2, dtype=np.float32), n_groups=3)
