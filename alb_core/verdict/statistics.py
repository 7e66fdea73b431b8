"""The statistics of a verdict: paired log ratios, a trimmed mean, repeated looks, many benchmarks. Pure.

A round measures both commits side by side, so what the machine did meanwhile cancels in the ratio of the two. Of the
rounds' log ratios the 20 % trimmed mean is taken, with its interval (Tukey and McLaughlin 1963, Yuen 1974): a burst
that hits one side of a few rounds is cut off. The rounds are looked at as they come; boundaries by alpha spending (Lan
and DeMets 1983) keep the rate of false alarms whenever one stops. Holm's procedure (1979) keeps it over all benchmarks.
docs/verdicts.md has the reasons; tests/verdict/test_statistics.py holds the rates by simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

#: Chance of any false alarm in a verdict of two equal commits, and, one less, how sure intervals and "visible" are.
ALPHA = 0.05

#: Rounds before anything is said. With fewer, Student's t has tails that nothing measurable exceeds.
LEAST_ROUNDS = 6

#: Rounds that ten minutes give the standard benchmarks: where most of the allowed error is spent.
USUAL_ROUNDS = 20

#: Rounds after which nothing new is said: where the table of boundaries ends.
MOST_ROUNDS = 120

#: Share of the rounds cut off at each end.
TRIM = 0.2

#: Samples of memory a side before anything is said: with four, the extreme differences are a 97 % interval.
LEAST_SAMPLES = 4


class Word(StrEnum):
    """What may be said of a change."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "no change"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Estimate:
    """A trimmed mean of log ratios.

    Attributes
    ----------
    log_ratio
        Of HEAD to BASE; positive is slower.
    error
        Its standard error.
    freedom
        Degrees of freedom of Student's t that it is judged by.
    rounds
        Number of ratios.
    """

    log_ratio: float
    error: float
    freedom: int
    rounds: int

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval of log ratios that a false one exceeds with probability ``level``."""
        half = float(stats.t.isf(level / 2, self.freedom)) * self.error
        return self.log_ratio - half, self.log_ratio + half

    def visible(self, level: float) -> float:
        """Smallest log ratio that a test at ``level`` finds with 95 % probability at this spread and these rounds."""
        return float(stats.t.isf(level / 2, self.freedom) + stats.t.isf(ALPHA, self.freedom)) * self.error


def figure(samples: Sequence[float]) -> float:
    """One process's figure (s) of its repeats: the least, the one that other work on the machine disturbed least."""
    return min(samples)


def log_ratio(base: Sequence[float], head: Sequence[float]) -> float:
    """What a round says: the log of HEAD's figure over BASE's."""
    return math.log(figure(head) / figure(base))


def estimate(ratios: Sequence[float]) -> Estimate | None:
    """Trimmed mean of log ratios; None for fewer than :data:`LEAST_ROUNDS`."""
    n = len(ratios)
    if n < LEAST_ROUNDS:
        return None
    cut = int(TRIM * n)
    ordered = np.sort(np.asarray(ratios, dtype=np.float64))
    mean = float(ordered[cut : n - cut].mean())
    winsorised = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    # Equal ratios happen with coarse clocks; a zero error would make anything certain.
    error = max(float(winsorised.std(ddof=1)) / ((1 - 2 * cut / n) * math.sqrt(n)), 1e-9)
    return Estimate(mean, error, n - 2 * cut - 1, n)


def spent(rounds: int) -> float:
    """Share of the allowed error that looks at up to ``rounds`` rounds may have used.

    Four fifths by :data:`USUAL_ROUNDS`, as the square of the rounds (the power family of Kim and DeMets 1987); the rest
    is kept for whoever goes on. So it needs no plan of how many rounds there will be: a budget, a second call or a
    verdict that is reached early ends them.
    """
    if rounds < LEAST_ROUNDS:
        return 0.0
    return 0.8 * min(1.0, rounds / USUAL_ROUNDS) ** 2 + 0.2 * max(0.0, 1 - USUAL_ROUNDS / rounds)


@lru_cache(maxsize=256)
def levels(alpha: float, rounds: int = MOST_ROUNDS) -> tuple[float, ...]:
    """Nominal two-sided levels of the looks after :data:`LEAST_ROUNDS`, ... ``rounds`` rounds.

    Together they find a difference where there is none with probability ``alpha * spent(rounds)``: the recursive
    integration of Armitage, McPherson and Rowe (1969) over a normal random walk.

    Parameters
    ----------
    alpha
        Allowed probability, over all looks that may ever be made.
    rounds
        The last look.
    """
    found = []
    nodes = weights = density = np.empty(0)
    for n in range(LEAST_ROUNDS, rounds + 1):
        share = alpha * (spent(n) - spent(n - 1))
        first = n == LEAST_ROUNDS
        if first:
            bound = float(stats.norm.isf(share / 2)) * math.sqrt(n)
        else:
            mass = weights * density

            def crossing(at: float, mass: NDArray[np.float64] = mass, nodes: NDArray[np.float64] = nodes) -> float:
                return float(2 * (mass * stats.norm.sf(at - nodes)).sum())

            bound = float(optimize.brentq(lambda at, share=share: crossing(at) - share, 0.0, nodes[-1] + 12))
        found.append(float(2 * stats.norm.sf(bound / math.sqrt(n))))
        # Simpson's rule between the boundaries; the step is well below the walk's own, which is 1.
        count = 2 * math.ceil(bound / 0.2) + 1
        grid = np.linspace(-bound, bound, count)
        if first:
            density_next = stats.norm.pdf(grid, scale=math.sqrt(n))
        else:
            density_next = _NORMAL * np.exp(-0.5 * (grid[:, None] - nodes[None, :]) ** 2) @ mass
        nodes, density, weights = grid, density_next, _simpson(grid)
    return tuple(found)


_NORMAL = 1 / math.sqrt(2 * math.pi)


def _simpson(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.ones(len(grid))
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return weights * float(grid[1] - grid[0]) / 3


def level_at(alpha: float, rounds: int) -> float:
    """Nominal level of the look after a number of rounds, at least :data:`LEAST_ROUNDS`."""
    return levels(alpha)[min(rounds, MOST_ROUNDS) - LEAST_ROUNDS]


def crossed(ratios: Sequence[float], alpha: float) -> bool:
    """Whether any look at these rounds, in their order, found a difference; once found, it stays found."""
    for n in range(LEAST_ROUNDS, min(len(ratios), MOST_ROUNDS) + 1):
        found = estimate(ratios[:n])
        assert found is not None
        low, high = found.interval(level_at(alpha, n))
        if low > 0 or high < 0:
            return True
    return False


def holm(sequences: Sequence[Sequence[float]], alpha: float = ALPHA) -> list[float]:
    """Level at which each of several sequences of ratios is judged, by Holm's procedure.

    Each is first held to ``alpha / m``; for every one that differs, the rest is held to a level less strict.

    Returns
    -------
    list of float
        For each sequence, the ``alpha`` of its own looks.
    """
    open_ = set(range(len(sequences)))
    held = [alpha / max(len(sequences), 1)] * len(sequences)
    while open_:
        level = alpha / len(open_)
        for index in open_:
            held[index] = level
        found = {index for index in open_ if crossed(sequences[index], level)}
        if not found:
            break
        open_ -= found
    return held


def word(low: float, high: float, threshold: float) -> Word:
    """Say what an interval allows.

    Parameters
    ----------
    low, high
        The interval of a change; positive is worse.
    threshold
        Changes smaller than this matter to nobody. In the interval's unit.
    """
    if -threshold < low and high < threshold:
        return Word.SAME
    if low > 0:
        return Word.WORSE
    if high < 0:
        return Word.BETTER
    return Word.UNKNOWN


@dataclass(frozen=True)
class Shift:
    """A change of memory, in bytes.

    Attributes
    ----------
    change
        Median of all differences between a sample of HEAD and one of BASE (Hodges and Lehmann 1963).
    low, high
        Its interval: of the ordered differences, by the exact distribution of the rank sum (Moses 1965).
    """

    change: float
    low: float
    high: float


def shift(base: Sequence[float], head: Sequence[float]) -> Shift | None:
    """Return the change from BASE's samples to HEAD's; None for fewer than :data:`LEAST_SAMPLES` a side.

    A peak hardly varies, so few samples do, and their order matters to nothing: the ratios of rounds are not used.
    """
    if min(len(base), len(head)) < LEAST_SAMPLES:
        return None
    differences = np.sort(np.subtract.outer(np.asarray(head, float), np.asarray(base, float)), axis=None)
    skip = 0
    while 2 * _rank_sum_cdf(len(base), len(head))[skip] <= ALPHA and 2 * (skip + 1) < len(differences):
        skip += 1
    lowest = max(skip - 1, 0)
    return Shift(float(np.median(differences)), float(differences[lowest]), float(differences[-1 - lowest]))


@lru_cache(maxsize=64)
def _rank_sum_cdf(m: int, n: int) -> tuple[float, ...]:
    """P(U <= u) of Mann and Whitney's U without ties, for u = 0, 1, ... m * n."""
    counts = np.zeros(m * n + 1)
    counts[0] = 1.0
    for i in range(1, m + 1):
        # Gaussian binomial coefficient: times (1 - q^(n+i)), over (1 - q^i).
        if n + i <= m * n:
            counts[n + i :] -= counts[: -(n + i)].copy()
        for at in range(i, m * n + 1):
            counts[at] += counts[at - i]
    return tuple(np.cumsum(counts) / math.comb(m + n, m))
