"""Rounds of pairs in the order in which they were measured, and the figure of a process's samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds.cases import BenchmarkCase

#: Numbers of rounds at which an interim analysis is made, each a quarter more than the one before. With fewer than the
#: first, Student's t has tails that nothing measurable exceeds; after the last, nothing new is said.
INTERIM_ROUNDS = (6, 8, 10, 13, 16, 20, 25, 31, 39, 49, 61, 76, 95, 119)
LEAST_ROUNDS, MOST_ROUNDS = INTERIM_ROUNDS[0], INTERIM_ROUNDS[-1]


@dataclass(frozen=True)
class Pair:
    """One round of a case: what a process of each commit gave, in seconds, bytes or counts."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    #: What the epochs of both took; empty where the processes did not say, and of recorded pairs.
    base_epochs: tuple[EpochSeconds, ...] = ()
    head_epochs: tuple[EpochSeconds, ...] = ()


@dataclass
class Rounds:
    """Pairs of each case, oldest first, and why a case has none."""

    #: By case; every case that is looked at has an entry.
    pairs: dict[BenchmarkCase, list[Pair]]
    #: By case, what failed, in words; such a case is judged by what it has.
    failures: dict[BenchmarkCase, str] = field(default_factory=dict)
    #: Cases that a commit cannot do (asv's n/a), and which of BASE and HEAD.
    absent: dict[BenchmarkCase, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cases: Sequence[BenchmarkCase]) -> Rounds:
        """Rounds of some cases, none measured yet."""
        return cls({case: [] for case in cases})

    def most(self) -> int:
        """Rounds of the case that has most."""
        return max((len(pairs) for pairs in self.pairs.values()), default=0)


def flat(pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    """All samples of BASE and of HEAD."""
    return [x for pair in pairs for x in pair.base], [x for pair in pairs for x in pair.head]


def log_ratios(pairs: Sequence[Pair]) -> list[float]:
    """What rounds of time say, one by one: the log of HEAD's figure over BASE's."""
    gap = gap_of(pairs)
    return [log_figure(pair.head, gap) - log_figure(pair.base, gap) for pair in pairs]


def gap_of(pairs: Sequence[Pair]) -> float:
    """How far apart repeats usually lie, by the first rounds alone, so that more rounds leave each ratio as it is."""
    first = pairs[:LEAST_ROUNDS]
    return usual_gap([repeats for pair in first for repeats in (pair.base, pair.head)])


def usual_gap(processes: Sequence[Sequence[float]]) -> float:
    """How far apart the repeats of a process usually lie: the median of the logs of the greatest over the least."""
    return float(np.median([math.log(max(repeats) / min(repeats)) for repeats in processes])) if processes else 0.0


def log_figure(repeats: Sequence[float], gap: float) -> float:
    """One process's figure: the mean of the logs of its repeats (s), each cut off at ``gap`` above the least.

    Huber's (1964) compromise. What the machine does all the time makes a repeat faster or slower, and their mean has
    less of that than the least has; a burst makes one much slower, and is cut off.
    """
    logs = [math.log(seconds) for seconds in repeats]
    most = min(logs) + gap
    return sum(min(log, most) for log in logs) / len(logs)
