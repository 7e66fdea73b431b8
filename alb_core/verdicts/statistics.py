"""The statistics of a verdict: paired log ratios, a trimmed mean, interim analyses, many benchmarks. Pure.

A round measures both commits side by side, so what the machine did meanwhile cancels in the ratio of the two. Of the
rounds' log ratios the 20 % trimmed mean is taken, with its interval (Tukey and McLaughlin 1963, Yuen 1974): a burst
that hits one commit in a few rounds is cut off. The rounds are analysed as they come, each time at a level of its own
that alpha spending (Lan and DeMets 1983) gives it, so that false alarms stay as rare whenever one stops. Holm's
procedure (1979) keeps them so over all benchmarks. docs/statistics.md has the reasons; the tests hold the rates by
simulation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alb_core.rounds.pairs import INTERIM_ROUNDS, LEAST_ROUNDS

#: Chance of any false alarm in a verdict of two equal commits, and, one less, how sure intervals and "visible" are.
ALPHA = 0.05

#: Rounds that ten minutes give the standard benchmarks where nothing is known of the machine, and at most: by then most
#: of the allowed error is spent.
USUAL_ROUNDS = 25

#: Share of the rounds cut off at each end.
TRIM = 0.2

#: Draws of a bootstrap.
_DRAWS = 1000

#: Samples of memory of each commit before anything is said: with four, the extreme differences are a 97 % interval.
LEAST_SAMPLES = 4


class Word(StrEnum):
    """What may be said of a change."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "no change"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Estimate:
    """A trimmed mean of log ratios."""

    #: Of HEAD to BASE; positive is slower.
    log_ratio: float
    #: Its standard error.
    error: float
    #: Degrees of freedom of Student's t that it is judged by.
    freedom: int
    #: Number of ratios.
    rounds: int

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval of log ratios that a false one exceeds with probability ``level``."""
        half = critical(level, self.freedom) * self.error
        return self.log_ratio - half, self.log_ratio + half


def estimate(ratios: Sequence[float]) -> Estimate | None:
    """Trimmed mean of log ratios; None for fewer than :data:`LEAST_ROUNDS`."""
    n = len(ratios)
    if n < LEAST_ROUNDS:
        return None
    mean, error = trimmed(np.asarray(ratios, dtype=np.float64)[None])
    return Estimate(float(mean[0]), float(error[0]), freedom(n), n)


def visible(ratios: Sequence[float], level: float) -> float:
    """Return the smallest log ratio that a test at ``level`` finds with 95 % probability in such rounds.

    By the bootstrap (Efron 1979): rounds are drawn again from these, without their change and with either sign, and the
    change is sought that 95 of 100 such draws would have found.
    """
    n = len(ratios)
    mean, _ = trimmed(np.asarray(ratios, dtype=np.float64)[None])
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(ratios) - mean[0], (_DRAWS, n)) * rng.choice([-1.0, 1.0], (_DRAWS, n))
    means, errors = trimmed(drawn)
    return float(np.quantile(critical(level, freedom(n)) * errors - means, 1 - ALPHA))


def trimmed(ratios: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trimmed mean and standard error of each row."""
    n = ratios.shape[1]
    cut = int(TRIM * n)
    ordered = np.sort(ratios, axis=1)
    winsorised = np.clip(ordered, ordered[:, [cut]], ordered[:, [n - cut - 1]])
    error = winsorised.std(axis=1, ddof=1) / ((1 - 2 * cut / n) * math.sqrt(n))
    # Equal ratios happen with coarse clocks; no error at all would make anything certain.
    return ordered[:, cut : n - cut].mean(axis=1), np.maximum(error, 1e-9)


@lru_cache(maxsize=1024)
def critical(level: float, freedom: int) -> float:
    """Student's t that is exceeded, on either side, with probability ``level``."""
    return float(stats.t.isf(level / 2, freedom))


def freedom(rounds: int) -> int:
    """Degrees of freedom of a trimmed mean."""
    return rounds - 2 * int(TRIM * rounds) - 1


def planned(rounds: int) -> int:
    """Return the number of rounds by which most of the allowed error is to be spent."""
    known = min(rounds, USUAL_ROUNDS) if rounds else USUAL_ROUNDS
    return max((count for count in INTERIM_ROUNDS if count <= known), default=LEAST_ROUNDS)


def alpha_spent(rounds: int, usual: int = USUAL_ROUNDS) -> float:
    """Share of the allowed error that analyses of up to ``rounds`` rounds may have used.

    Four fifths by the ``usual`` number (:func:`planned`), as the cube of the rounds (the power family of Kim and DeMets
    1987), so that most of it is there when there is most to see; the rest is kept for whoever goes on. A budget, a
    second call or a verdict that is reached early may end them anywhere.
    """
    if rounds < LEAST_ROUNDS:
        return 0.0
    return 0.8 * min(1.0, rounds / usual) ** 3 + 0.2 * max(0.0, 1 - usual / rounds)


def level_at(alpha: float, rounds: int, usual: int = USUAL_ROUNDS) -> float:
    """Two-sided level of the analysis at one of :data:`INTERIM_ROUNDS`: what may be spent there and was not before.

    The levels of all analyses add up to less than ``alpha``, so together they are wrong no more often, whatever the
    analyses have to do with one another (Bonferroni).
    """
    place = INTERIM_ROUNDS.index(rounds)
    return alpha * (alpha_spent(rounds, usual) - (alpha_spent(INTERIM_ROUNDS[place - 1], usual) if place else 0.0))


def interim_estimates(ratios: Sequence[float]) -> Iterator[tuple[int, Estimate]]:
    """The interim analyses that some rounds allow: the number of rounds, and what was known then."""
    for rounds in INTERIM_ROUNDS:
        found = estimate(ratios[:rounds])
        if rounds > len(ratios) or found is None:
            return
        yield rounds, found


def crossed(ratios: Sequence[float], alpha: float, usual: int = USUAL_ROUNDS) -> bool:
    """Whether any interim analysis of these rounds, in their order, found a difference; once found, it stays found."""
    for rounds, found in interim_estimates(ratios):
        low, high = found.interval(level_at(alpha, rounds, usual))
        if low > 0 or high < 0:
            return True
    return False


def holm(
    sequences: Sequence[Sequence[float]],
    alpha: float = ALPHA,
    weights: Sequence[float] | None = None,
    usual: int = USUAL_ROUNDS,
) -> list[float]:
    """Level at which each of several sequences of ratios is judged, by Holm's weighted procedure.

    Each is first held to its share of ``alpha``; what those that differ had is shared out among the rest.
    """
    share = list(weights) if weights is not None else [1.0] * len(sequences)
    open_ = set(range(len(sequences)))
    held = [0.0] * len(sequences)
    while open_:
        total = sum(share[index] for index in open_)
        for index in open_:
            held[index] = alpha * share[index] / total
        found = {index for index in open_ if crossed(sequences[index], held[index], usual)}
        if not found:
            break
        open_ -= found
    return held


def word(low: float, high: float, threshold: float) -> Word:
    """Say what an interval allows."""
    if -threshold < low and high < threshold:
        return Word.SAME
    if low > 0:
        return Word.WORSE
    if high < 0:
        return Word.BETTER
    return Word.UNKNOWN


@dataclass(frozen=True)
class Shift:
    """A change of memory, in bytes."""

    #: Median of all differences between a sample of HEAD and one of BASE (Hodges and Lehmann 1963).
    change: float
    #: Its interval: of the ordered differences, by the exact distribution of the rank sum (Moses 1965).
    low: float
    high: float


def shift(base: Sequence[float], head: Sequence[float]) -> Shift | None:
    """Return the change from BASE's samples to HEAD's; None for fewer than :data:`LEAST_SAMPLES` of each.

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
