"""Probabilities that mean what they say: temperature, calibration error and its floor, reliability bins.

One temperature for all classes (Guo 2017), fitted on out-of-fold logits. The calibration error uses 15 bins
of equal width of the top probability; a perfectly calibrated model shows one as well, from chance: the floor
beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Logits, Mask, Numbers, Probabilities, Scores
from fovea.judge.intervals import Interval, wilson_interval

N_BINS = 15  # Guo 2017
TEMPERATURE_RANGE = (0.05, 20.0)  # beyond, a data set is separable or the head worse than chance


def softmax(logits: Logits, temperature: float = 1.0) -> Probabilities:
    """Turn logits (n, k) into probabilities float64 (n, k) of rows that sum to 1."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Find the temperature of least log loss, within 0.05 and 20.

    The loss is convex in 1 / temperature: Newton's steps, kept inside a shrinking bracket.

    Args:
        logits: float (n, k), predictions on pictures that their model has not seen.
        labels: int (n,), 0 to k - 1.
    """
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    low, high = 1 / TEMPERATURE_RANGE[1], 1 / TEMPERATURE_RANGE[0]
    if _slope_and_curve(z, labels, low)[0] > 0:
        return TEMPERATURE_RANGE[1]
    if _slope_and_curve(z, labels, high)[0] < 0:
        return TEMPERATURE_RANGE[0]
    beta = 1.0
    for _ in range(100):
        slope, curve = _slope_and_curve(z, labels, beta)
        if slope > 0:
            high = beta
        else:
            low = beta
        if slope == 0 or high - low < 1e-12:
            break
        step = beta - slope / curve if curve > 0 else low
        beta_next = step if low < step < high else (low + high) / 2
        if abs(beta_next - beta) < 1e-10:
            break
        beta = beta_next
    return 1 / beta


def _slope_and_curve(z: NDArray[np.float64], labels: Labels, beta: float) -> tuple[float, float]:
    """Return first and second derivative of the log loss by beta = 1 / temperature."""
    p = softmax(z, 1 / beta)
    mean = (p * z).sum(axis=1)
    slope = float((mean - z[np.arange(len(z)), labels]).mean())
    return slope, float((p * z * z).sum(axis=1).mean() - (mean * mean).mean())


def cross_fitted(logits: Logits, labels: Labels, *, parts: Numbers) -> Probabilities:
    """Scale each part's logits by the temperature fitted on the other parts: no label judges itself.

    Args:
        logits: float (n, k).
        labels: int (n,).
        parts: int (n,), the part's number of each picture (the folds); with one part only, nothing is scaled.
    """
    out = np.empty(logits.shape, dtype=np.float64)
    for part in np.unique(parts):
        inside = parts == part
        others = ~inside
        temperature = fit_temperature(logits[others], labels[others]) if others.any() else 1.0
        out[inside] = softmax(logits[inside], temperature)
    return out


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pictures of a top probability in (low, high]: how sure on average, how often right (95 % interval)."""

    low: float
    high: float
    n: int
    mean_probability: float | None
    accuracy: float | None
    accuracy_interval: Interval


def reliability_bins(top: Scores, correct: Mask) -> tuple[ReliabilityBin, ...]:
    """Sort pictures into 15 bins of equal width by top probability, for the reliability plot.

    Args:
        top: float (n,) in [0, 1], the probability of the answer given.
        correct: bool (n,).
    """
    at = _bin_numbers(top)
    n = np.bincount(at, minlength=N_BINS)
    sure = np.bincount(at, weights=top, minlength=N_BINS)
    right = np.bincount(at, weights=correct, minlength=N_BINS)
    return tuple(
        ReliabilityBin(
            low=b / N_BINS,
            high=(b + 1) / N_BINS,
            n=int(n[b]),
            mean_probability=float(sure[b] / n[b]) if n[b] else None,
            accuracy=float(right[b] / n[b]) if n[b] else None,
            accuracy_interval=wilson_interval(int(right[b]), int(n[b])),
        )
        for b in range(N_BINS)
    )


def expected_calibration_error(top: Scores, correct: Mask) -> float:
    """Return the mean gap of sureness and accuracy over 15 bins, weighted by pictures: [0, 1], 0 is best.

    Args:
        top: float (n,) in [0, 1], the probability of the answer given.
        correct: bool (n,).
    """
    gaps = np.bincount(_bin_numbers(top), weights=np.asarray(correct, np.float64) - top, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(top))


def ece_floor(top: Scores, *, seed: int) -> float:
    """Return the calibration error that perfect calibration shows on average with these top probabilities.

    Drawn: every picture right with exactly its probability, some 4 million draws, at least 20 and at most
        1,000 rounds.
    """
    rng = np.random.default_rng(seed)
    top = np.asarray(top, dtype=np.float64)
    n_rounds = int(np.clip(4_000_000 // len(top), 20, 1000))
    order = np.argsort(_bin_numbers(top), kind="stable")
    numbers, top = _bin_numbers(top)[order], top[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    total = 0.0
    for _ in range(n_rounds):
        gaps = np.add.reduceat((rng.random(len(top)) < top) - top, starts)
        total += float(np.abs(gaps).sum()) / len(top)
    return total / n_rounds


def _bin_numbers(top: Scores) -> Numbers:
    return np.clip(np.ceil(np.asarray(top, np.float64) * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
