"""How sure a share is that was counted."""

from scipy.stats import binomtest


def wilson(count: int, n: int, level: float) -> tuple[float, float]:
    """Wilson's interval (1927) for the share behind `count` of n."""
    low, high = binomtest(count, n).proportion_ci(level, method="wilson")
    return float(low), float(high)
