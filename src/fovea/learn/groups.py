"""Rows into groups, their number found or given: communities of the graph of nearest neighbours.

Two rows are tied as strongly as they share neighbours (Jarvis and Patrick 1973), and a group is what is tied together more than
chance would tie it (modularity with a resolution, Reichardt and Bornholdt 2006; Louvain, Blondel and others 2008). Groups may
have any shape: handwritten digits come apart better than by the distance to centres (lab/LOG.md).
"""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush, nsmallest

import numpy as np
from numpy.typing import NDArray

from fovea.features import nearest

N_NEIGHBOURS = 20
RESOLUTION = 0.5  # with 20 neighbours: 6 groups of 5 flowers, 12 of 10 digits, 15 of 10 products, 8 of CIFAR's 10 (lab/LOG.md)
MAX_ROWS = 10_000  # of more rows so many are grouped, and the others go with their nearest
N_VOTES = 10
MAX_SWEEPS = 20
STEP = 1.5
BLOCK_PAIRS = 8192


def group(
    rows: NDArray[np.float32], *, n_groups: int | None = None, seed: int = 0, threads: int | None = None
) -> NDArray[np.int64]:
    """Return the group of each of rows (n, d), int64 (n,) from 0, the largest first; as many as there are where None is asked for.

    Rows are compared by the cosine. The same input and seed give the same groups.

    Raises:
        ValueError: `n_groups` is not within 1 and the number of rows.
    """
    n = len(rows)
    if n_groups is not None and not 1 <= n_groups <= n:
        raise ValueError(f"{n:,} rows cannot make {n_groups:,} groups; take a number from 1 to {n:,}")
    if n < 3:
        return np.arange(n) if n_groups == n else np.zeros(n, np.int64)
    most = max(MAX_ROWS, n_groups or 0)
    some = np.sort(np.random.default_rng(seed).permutation(n)[:most])
    graph = tie(rows[some], threads=threads)
    inside = communities(graph, seed=seed) if n_groups is None else _so_many(graph, n_groups, seed=seed)
    found = np.empty(n, np.int64)
    found[some] = inside
    rest = np.setdiff1d(np.arange(n), some, assume_unique=True)
    if len(rest):
        near, likeness = nearest(rows[rest], rows[some], k=N_VOTES, threads=threads)
        found[rest] = _vote(inside[near], likeness)
    return _by_size(found)


def _vote(groups: NDArray[np.int64], likeness: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each row the group with most likeness among its neighbours' groups (q, k)."""
    weights = (np.maximum(likeness, 0)[:, :, None] * (groups[:, :, None] == groups[:, None, :])).sum(axis=1)
    return np.take_along_axis(groups, weights.argmax(axis=1)[:, None], axis=1)[:, 0]


def _by_size(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups anew, the largest first, equal ones by their first row."""
    _, first, found, counts = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    return np.argsort(np.lexsort((first, -counts)))[found]


@dataclass(frozen=True, slots=True)
class Graph:
    """Ties between rows: those of row i are `others[starts[i]:starts[i + 1]]` with `weights`, each tie in both directions."""

    starts: NDArray[np.int64]
    others: NDArray[np.int64]
    weights: NDArray[np.float64]


def tie(rows: NDArray[np.float32], *, n_neighbours: int = N_NEIGHBOURS, threads: int | None = None) -> Graph:
    """Return the graph of rows (n, d): ties to their nearest by the cosine, as strong as the share of neighbours in common."""
    from scipy.sparse import csr_matrix

    n = len(rows)
    found = nearest(rows, rows, k=min(n_neighbours, n - 1), threads=threads, leave_out_self=True)[0]
    k = found.shape[1]
    # a row is its own neighbour: two that are near share two
    members = np.column_stack([found, np.arange(n)])
    near = csr_matrix((np.ones(n * k, np.float32), found.ravel(), np.arange(n + 1) * k), (n, n))
    ties = (near + near.T).tocsr()
    ties.sort_indices()
    common = _in_common(members, np.repeat(np.arange(n), np.diff(ties.indptr)), ties.indices)
    share = common / (2 * members.shape[1] - common)
    return Graph(ties.indptr.astype(np.int64), ties.indices.astype(np.int64), share)


def _in_common(
    members: NDArray[np.int64], some: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many members (n, m) the rows of each pair share, int64 (p,).

    Pair by pair: where thousands of pictures are the same one, all have the same few neighbours, and a product of sparse
    matrices would count what every two of them share.
    """
    out = np.empty(len(some), np.int64)
    for start in range(0, len(some), BLOCK_PAIRS):
        block = slice(start, start + BLOCK_PAIRS)
        both = members[some[block], :, None] == members[others[block], None, :]
        out[block] = both.sum(axis=(1, 2))
    return out


def communities(graph: Graph, *, resolution: float = RESOLUTION, seed: int = 0) -> NDArray[np.int64]:
    """Return the community of each row, int64 (n,) from 0: more of them, and smaller, the higher the resolution."""
    assignment = np.arange(len(graph.starts) - 1)
    rng = np.random.default_rng(seed)
    while True:
        n = len(graph.starts) - 1
        names, inside = np.unique(
            _move(graph, resolution=resolution, order=rng.permutation(n)), return_inverse=True
        )
        if len(names) == n:
            return assignment
        assignment = inside[assignment]
        graph = _contract(graph, inside, n=len(names))


def _so_many(graph: Graph, n_groups: int, *, seed: int) -> NDArray[np.int64]:
    """Return just so many communities: somewhat more, of which those that are tied most for their size become one.

    That is the order in which a falling resolution would join them (Bonald and others 2018).
    """
    resolution = RESOLUTION
    found = communities(graph, resolution=resolution, seed=seed)
    while found.max() + 1 < n_groups:
        resolution *= max(
            STEP, n_groups / (int(found.max()) + 1) / 2
        )  # twice as many groups take about twice as much
        found = communities(graph, resolution=resolution, seed=seed)
    n = int(found.max()) + 1
    return join(_contract(graph, found, n=n), n_groups=n_groups)[found]


def join(graph: Graph, *, n_groups: int) -> NDArray[np.int64]:
    """Return a group for each node of a graph: two become one, those with most ties for their degrees first.

    Where no two are tied any more, the two of the smallest degrees do.
    """
    n = len(graph.starts) - 1
    rows = np.repeat(np.arange(n), np.diff(graph.starts))
    degree = np.bincount(rows, graph.weights, n).tolist()
    ties: dict[int, dict[int, float]] = {node: {} for node in range(n)}
    for a, b, weight in zip(rows.tolist(), graph.others.tolist(), graph.weights.tolist(), strict=True):
        if a != b:
            ties[a][b] = weight

    def told(a: int, b: int) -> tuple[float, int, int]:
        a, b = sorted((a, b))
        return -ties[a][b] / degree[a] / degree[b], a, b

    def is_so(entry: tuple[float, int, int]) -> bool:
        _, a, b = entry
        return a in ties and b in ties[a] and entry == told(a, b)  # else a join has overtaken it

    closest = [told(a, b) for a in ties for b in ties[a] if a < b]
    heapify(closest)
    name = np.arange(n)
    while len(ties) > n_groups:
        while closest and not is_so(closest[0]):
            heappop(closest)
        a, b = closest[0][1:] if closest else nsmallest(2, ties, key=lambda node: degree[node])
        for other, weight in ties.pop(b).items():
            del ties[other][b]
            if other != a:
                ties[a][other] = ties[other][a] = ties[a].get(other, 0.0) + weight
        degree[a] += degree[b]
        for other in ties[a]:
            heappush(closest, told(a, other))
        name[name == b] = a
    return name


def _move(graph: Graph, *, resolution: float, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move single nodes to the neighbouring community that gains most, until none does: its number for each node."""
    starts, others, weights = graph.starts.tolist(), graph.others.tolist(), graph.weights.tolist()
    n = len(starts) - 1
    degree = np.bincount(np.repeat(np.arange(n), np.diff(graph.starts)), graph.weights, n).tolist()
    total = sum(degree) or 1.0
    community, size = list(range(n)), list(degree)
    for _ in range(MAX_SWEEPS):
        n_moved = 0
        for i in order.tolist():
            own, price = community[i], resolution * degree[i] / total
            size[own] -= degree[i]
            ties: dict[int, float] = {own: 0.0}
            for at in range(starts[i], starts[i + 1]):
                if others[at] != i:
                    other = community[others[at]]
                    ties[other] = ties.get(other, 0.0) + weights[at]
            best, most = own, ties[own] - price * size[own] + 1e-12
            for other, strength in ties.items():
                if strength - price * size[other] > most:
                    best, most = other, strength - price * size[other]
            size[best] += degree[i]
            community[i] = best
            n_moved += best != own
        if not n_moved:
            break
    return np.array(community, np.int64)


def _contract(graph: Graph, community: NDArray[np.int64], *, n: int) -> Graph:
    from scipy.sparse import csr_matrix

    rows = community[np.repeat(np.arange(len(graph.starts) - 1), np.diff(graph.starts))]
    whole = csr_matrix((graph.weights, (rows, community[graph.others])), (n, n))
    whole.sum_duplicates()
    return Graph(whole.indptr.astype(np.int64), whole.indices.astype(np.int64), whole.data)
