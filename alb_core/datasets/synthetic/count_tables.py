"""Tables from which counts are drawn: a negative binomial for each mean, 16 means to the octave.

A table entry is found by whole-number arithmetic from a gene's level and a cell's depth, so that drawing a cell is a
look-up and a comparison for each gene, and gives the same counts everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

#: Levels to an octave of the mean.
STEPS = 16
#: Largest difference, in levels, that a cell's depth makes (four octaves).
MAX_DEPTH = 64
#: Index of a gene that is not measured, whatever the depth: no entry within MAX_DEPTH of it ever gives a count.
UNMEASURED = MAX_DEPTH
#: Means from 2**-16 to 2**11: rarer than once in 65,536 is never, and no gene has more.
LOWEST_OCTAVE, HIGHEST_OCTAVE = -16, 11
#: Index of a mean of one count.
ORIGIN = 2 * MAX_DEPTH + 1 - LOWEST_OCTAVE * STEPS
ENTRIES = ORIGIN + HIGHEST_OCTAVE * STEPS + 1
#: Quantiles of the counts above zero, for each mean.
QUANTILES = 1 << 14


@dataclass(frozen=True)
class CountTables:
    """Tables of one negative binomial family."""

    #: P(count > 0) times 65,536, shape (ENTRIES,), uint16.
    chance: npt.NDArray[np.uint16]
    #: Quantiles of the count, given that it is not zero, shape (ENTRIES, QUANTILES), uint16.
    counts: npt.NDArray[np.uint16]


@cache
def count_tables(size: int) -> CountTables:
    """Tables of the negative binomial of a given size."""
    chance = np.zeros(ENTRIES, dtype=np.uint16)
    counts = np.ones((ENTRIES, QUANTILES), dtype=np.uint16)
    at = (np.arange(QUANTILES, dtype=np.float64) + 0.5) / QUANTILES
    for entry in range(2 * MAX_DEPTH + 1, ENTRIES):
        mean = _power_of_two(entry - ORIGIN)
        zero = 1.0
        for _ in range(size):
            zero *= size / (size + mean)
        chance[entry] = min(int((1.0 - zero) * 65_536 + 0.5), 65_535)
        # Far enough for the last quantile: the tail falls by mean / (size + mean) with each count.
        k = np.arange(1, min(int(mean * 16) + 64, 60_000), dtype=np.float64)
        ratios = (k - 1 + size) / k * (mean / (size + mean))
        reached = np.cumsum(zero * np.cumprod(ratios)) / (1.0 - zero)
        counts[entry] = np.searchsorted(reached, at).astype(np.uint16) + 1
    chance.flags.writeable = counts.flags.writeable = False
    return CountTables(chance, counts)


def _power_of_two(steps: int) -> float:
    """2**(steps / STEPS), from square roots and products alone, which every platform rounds alike."""
    octaves, rest = divmod(steps, STEPS)
    value, root = 1.0, 2.0
    for bit in (8, 4, 2, 1):
        root = math.sqrt(root)
        if rest & bit:
            value *= root
    return math.ldexp(value, octaves)
