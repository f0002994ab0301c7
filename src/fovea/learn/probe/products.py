"""Matrix products in threads of our own, one block of columns each, with BLAS kept to one thread.

The threads of OpenBLAS wait for each other by spinning: where other programs want the cores too, a fit took 216 s that
takes 4 s so (lab/LOG.md). Blocks do not depend on the number of threads, so neither do the bytes that come out.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = NDArray[np.floating]

_BLOCK_COLUMNS = 512
_WORTH = 2e7  # multiplications below which handing out blocks costs more than it saves
_POOL: ContextVar[Executor | None] = ContextVar("_POOL", default=None)


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Compute products in so many threads while this lasts."""
    from threadpoolctl import threadpool_limits

    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-product") as pool, threadpool_limits(1):
        token = _POOL.set(pool)
        try:
            yield
        finally:
            _POOL.reset(token)


def each(compute: Callable[[int], None], numbers: Iterable[int]) -> None:
    """Call `compute` with every number, in the threads there are; the calls write to places of their own."""
    pool = _POOL.get()
    for _ in map(compute, numbers) if pool is None else pool.map(compute, numbers):
        pass


def product(left: Reals, right: Reals) -> Reals:
    """Return left @ right for matrices (q, p) and (p, m) of one dtype."""
    pool, (q, p), m = _POOL.get(), left.shape, right.shape[1]
    if pool is None or q * p * m < _WORTH:
        direct: Reals = left @ right
        return direct
    out: Reals = np.empty((q, m), np.result_type(left, right))

    def compute(start: int) -> None:
        some = slice(start, start + _BLOCK_COLUMNS)
        np.matmul(left, right[:, some], out=out[:, some])

    each(compute, range(0, m, _BLOCK_COLUMNS))
    return out


def gram(rows: Reals) -> Reals:
    """Return rows @ rows.T (m, m) for rows (m, p), computing half of it."""
    pool, m = _POOL.get(), len(rows)
    if pool is None or m * m * rows.shape[1] < _WORTH:
        direct: Reals = rows @ rows.T
        return direct
    out: Reals = np.empty((m, m), rows.dtype)

    def compute(start: int) -> None:
        end = min(start + _BLOCK_COLUMNS, m)
        np.matmul(rows[start:], rows[start:end].T, out=out[start:, start:end])
        out[start:end, end:] = out[end:, start:end].T

    each(compute, range(0, m, _BLOCK_COLUMNS))
    return out
