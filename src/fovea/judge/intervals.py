"""Intervals and exact tail probabilities of a share, from counts; numpy and the standard library only.

Figures carry Wilson's interval: over all true shares its coverage is close to 95 % on average, also for few
pictures and shares near 0 and 1 (Wilson 1927; recommended by Brown, Cai and DasGupta 2001). Promises use the
exact binomial tail and Clopper and Pearson's interval (1934), whose coverage is never below what is stated.
"""

from statistics import NormalDist

import numpy as np

Interval = tuple[float, float]
"""(lower, upper), both in [0, 1]."""


def wilson_interval(n_right: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share.

    Args:
        n_right: how many of the n have the property, 0 to n (a fraction is fine for planning).
        n: how many there are; with none the interval is (0, 1).
        confidence: in (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, z2n = n_right / n, z * z / n
    centre = share + z2n / 2
    half = z * float(np.sqrt(share * (1 - share) / n + z2n / (4 * n)))
    lower = 0.0 if n_right == 0 else (centre - half) / (1 + z2n)
    upper = 1.0 if n_right == n else (centre + half) / (1 + z2n)
    return lower, upper


def binomial_tail(n_wrong: int, n: int, *, share: float) -> float:
    """Return the exact probability that at most `n_wrong` of `n` independent pictures are wrong.

    Args:
        n_wrong: 0 to n.
        n: how many pictures.
        share: the probability that one is wrong, in [0, 1].

    Returns:
        P(Binomial(n, share) <= n_wrong), in [0, 1].
    """
    if n_wrong >= n or share <= 0:
        return 1.0
    if n_wrong < 0 or share >= 1:
        return 0.0
    j = np.arange(1, n_wrong + 1, dtype=np.float64)
    steps = np.log((n - j + 1) / j) + np.log(share) - np.log1p(-share)
    log_terms = n * np.log1p(-share) + np.concatenate(([0.0], np.cumsum(steps)))
    peak = float(log_terms.max())
    return float(min(1.0, np.exp(peak) * np.exp(log_terms - peak).sum()))


def clopper_pearson(n_right: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Clopper and Pearson's exact interval: it covers the true share at least as often as stated.

    Args:
        n_right: how many of the n have the property, 0 to n.
        n: how many there are; with none the interval is (0, 1).
        confidence: in (0, 1); half of the rest lies on either side.
    """
    if n == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    return 1 - upper_bound(n - n_right, n, miss=tail), upper_bound(n_right, n, miss=tail)


def upper_bound(n_wrong: int, n: int, *, miss: float) -> float:
    """Return the exact one-sided upper bound of a share, missed with probability at most `miss`."""
    if n_wrong >= n:
        return 1.0
    low, high = n_wrong / n, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if binomial_tail(n_wrong, n, share=middle) > miss:
            low = middle
        else:
            high = middle
    return high


def fewest_without_error(share: float, *, miss: float) -> int:
    """Return how many pictures, none wrong, show that at most `share` are wrong (59 for 0.05 at 95 %)."""
    # the subtraction keeps an exact quotient (0.25 = 0.5 ** 2) from being rounded up by one
    return int(np.ceil(np.log(miss) / np.log1p(-share) - 1e-9))
