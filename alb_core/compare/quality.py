"""How well batches are mixed: the entropy of their source datasets, against that of a perfect shuffle. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def perfect_entropy(group_sizes: Sequence[int] | npt.NDArray[np.int64], batch_size: int) -> float:
    """Entropy of the groups within a batch, in bits, that a perfect shuffle has on average. Exact.

    A batch of a perfect shuffle is drawn without replacement, so the rows of each group in it follow a hypergeometric
    distribution, and the mean of a sum is the sum of the means.
    """
    total = int(np.sum(group_sizes))
    sizes, times = np.unique(np.asarray(group_sizes, dtype=np.int64), return_counts=True)
    expected = 0.0
    for size, repeated in zip(sizes.tolist(), times.tolist(), strict=True):
        if not size:
            continue
        counts, chances = _hypergeometric(total, size, batch_size)
        shares = counts[counts > 0] / batch_size
        expected -= repeated * float((chances[counts > 0] * shares * np.log2(shares)).sum())
    return max(0.0, expected)


def _hypergeometric(total: int, marked: int, drawn: int) -> tuple[Float64, Float64]:
    """Numbers of marked rows among those drawn, and the chance of each.

    By the ratio of one chance to the one before it, added up as logarithms: no factorial of a million rows is needed.
    """
    counts = np.arange(max(0, drawn - (total - marked)), min(drawn, marked) + 1, dtype=np.float64)
    before = counts[:-1]
    ratios = (marked - before) * (drawn - before) / ((before + 1) * (total - marked - drawn + before + 1))
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    chances = np.exp(logs - logs.max())
    return counts, chances / chances.sum()


def shuffle_quality(
    mixed: float | None, sizes: Mapping[str, int], group_sizes: npt.NDArray[np.int64] | None
) -> float | None:
    """Entropy of all batches as a part of what a perfect shuffle has on average; about 1 for a perfect one."""
    if mixed is None or group_sizes is None:
        return None
    total = int(group_sizes.sum())
    perfect = sum(times * perfect_entropy(group_sizes, min(int(size), total)) for size, times in sizes.items())
    return mixed / perfect if perfect > 1e-9 else None
