"""Where a linear head is sought: in the span of the rows (few pictures) or in feature space (many pictures).

In: features (m, d) in blocks, and how they become columns of Z, `(features - mean) * gain`. Out: products with Z, which
is not kept: it would cost as much memory as the features once more. Both spaces answer the same four questions, so that
one solver serves both. Parameters are (q, p) for q columns of weights, their images on the rows (q, m).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe.products import Reals, each, gram, product

_N_LEADING = 64  # directions that precondition; on products 128 take a third longer in all, in as many steps
_CHUNK_ROWS = 256
_SAMPLE_ROWS = 4_096  # of so many rows they are taken where there are more


@dataclass(frozen=True, slots=True)
class Rows:
    """Features in blocks (m_b, d) float32, one below the other, and each column's mean and gain (d,) float32."""

    blocks: tuple[NDArray[np.float32], ...]
    mean: NDArray[np.float32]
    gain: NDArray[np.float32]

    def image(self, weights: Reals) -> Reals:
        """Return weights Z' (q, m) float32 of weights (q, d)."""
        scaled = (weights * self.gain).astype(np.float32)
        offset = (scaled.astype(np.float64) @ self.mean.astype(np.float64)).astype(np.float32)
        return np.concatenate([product(scaled, block.T) for block in self.blocks], axis=1) - offset[:, None]

    def gradient(self, residuals: Reals) -> Reals:
        """Return residuals Z (q, d) float32 of residuals (q, m)."""
        residuals = residuals.astype(np.float32, copy=False)
        ends = np.cumsum([len(block) for block in self.blocks])[:-1]
        parts = np.split(residuals, ends, axis=1)
        total = sum(product(part, block) for part, block in zip(parts, self.blocks, strict=True))
        sums = residuals.sum(1, dtype=np.float64).astype(np.float32)
        centred: Reals = (total - sums[:, None] * self.mean) * self.gain
        return centred

    def gram(self, dtype: type[np.floating]) -> Reals:
        """Return Z Z' (m, m)."""
        ends = np.cumsum([len(block) for block in self.blocks])
        z = np.empty((ends[-1], len(self.mean)), dtype)
        chunks = [
            (
                block[i : i + _CHUNK_ROWS],
                z[end - len(block) + i : min(end, end - len(block) + i + _CHUNK_ROWS)],
            )
            for block, end in zip(self.blocks, ends.tolist(), strict=True)
            for i in range(0, len(block), _CHUNK_ROWS)
        ]

        def standardise(number: int) -> None:
            raw, out = chunks[number]
            np.subtract(raw, self.mean, out=out)
            out *= self.gain

        each(standardise, range(len(chunks)))
        return gram(z)


@dataclass(frozen=True, slots=True)
class Leading:
    """The r directions of weights along which Z varies most, as a space's parameters; what the solver preconditions by.

    `scores` (s, r) are rows of Z along them (rows number `sampled`), `read` (p, r) takes a gradient to its components,
    `write` (p, r) takes components back to parameters.
    """

    scores: Reals
    sampled: NDArray[np.int64]
    read: Reals
    write: Reals


@dataclass(frozen=True, slots=True)
class Span:
    """Weights A Z of parameters A (q, m), through `gram` = Z Z': one product a step, for few rows."""

    rows: Rows
    gram: Reals
    leading: Leading

    @property
    def dtype(self) -> type[np.floating]:
        """What the space computes in."""
        return self.gram.dtype.type

    def image(self, params: Reals) -> Reals:
        """Return the logits without bias (q, m) of parameters."""
        return product(params, self.gram)

    def gradient(self, residuals: Reals) -> Reals:
        """Return residuals (q, m) as parameters: here they are themselves."""
        return residuals

    def inner(self, left: Reals, right: Reals, image: Reals) -> NDArray[np.float64]:
        """Return the inner products (q,) of two parameters' weights, given the image of the second."""
        return _dots(left, image)

    def weights(self, params: Reals) -> Reals:
        """Return the weights (q, d) of parameters."""
        return self.rows.gradient(params)


@dataclass(frozen=True, slots=True)
class Columns:
    """Weights (q, d) are the parameters themselves: two products a step, for many rows."""

    rows: Rows
    leading: Leading

    @property
    def dtype(self) -> type[np.floating]:
        """What the space computes in."""
        return np.float32

    def image(self, params: Reals) -> Reals:
        """Return the logits without bias (q, m) of parameters."""
        return self.rows.image(params)

    def gradient(self, residuals: Reals) -> Reals:
        """Return residuals (q, m) as parameters."""
        return self.rows.gradient(residuals)

    def inner(self, left: Reals, right: Reals, image: Reals) -> NDArray[np.float64]:
        """Return the inner products (q,) of two parameters' weights, given the image of the second."""
        return _dots(left, right)

    def weights(self, params: Reals) -> Reals:
        """Return the weights (q, d) of parameters."""
        return params


Space: TypeAlias = Span | Columns


def span(rows: Rows, inner: Reals, *, seed: int) -> Span:
    """Return the span of rows whose inner products are `inner` (m, m)."""
    m = len(inner)
    values, vectors = _eigenpairs(lambda v: product(v.T, inner).T, m, dtype=inner.dtype.type, seed=seed)
    root = np.sqrt(values)
    sampled = _evenly(m)
    return Span(rows, inner, Leading((vectors * root)[sampled], sampled, vectors * root, vectors / root))


def columns(rows: Rows, *, seed: int) -> Columns:
    """Return feature space; its leading directions come from evenly drawn rows where there are many."""
    sampled = _evenly(sum(len(block) for block in rows.blocks))
    ends = np.cumsum([len(block) for block in rows.blocks])
    starts = ends - [len(block) for block in rows.blocks]
    drawn = [
        block[sampled[(sampled >= start) & (sampled < end)] - start]
        for block, start, end in zip(rows.blocks, starts, ends, strict=True)
    ]
    z = (np.concatenate(drawn) - rows.mean) * rows.gain
    _, vectors = _eigenpairs(lambda v: product(z.T, product(z, v)), z.shape[1], dtype=np.float32, seed=seed)
    return Columns(rows, Leading(z @ vectors, sampled, vectors, vectors))


def _evenly(n_rows: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, _SAMPLE_ROWS)).astype(np.int64))


def _eigenpairs(
    multiply: Callable[[Reals], Reals], size: int, *, dtype: type[np.floating], seed: int
) -> tuple[Reals, Reals]:
    """Return leading eigenvalues (r,) and vectors (size, r) of a positive matrix, by subspace iteration."""
    import scipy.linalg

    start = np.random.default_rng(seed).standard_normal((size, min(_N_LEADING + 16, size)))
    basis = scipy.linalg.qr(multiply(start.astype(dtype)), mode="economic", check_finite=False)[0]
    basis = scipy.linalg.qr(multiply(basis), mode="economic", overwrite_a=True, check_finite=False)[0]
    small = basis.T @ multiply(basis)
    values, turn = scipy.linalg.eigh((small + small.T) / 2, check_finite=False)
    kept = np.flatnonzero(values > 1e-5 * values[-1])[-_N_LEADING:]
    return values[kept].astype(dtype), np.ascontiguousarray(basis @ turn[:, kept], dtype)


def _dots(left: Reals, right: Reals) -> NDArray[np.float64]:
    return np.asarray(np.einsum("qp,qp->q", left, right), np.float64)
