"""What was measured: rounds of pairs, kept in the order in which they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from alb_core.verdict import statistics
from alb_core.verdict.cases import Case


@dataclass(frozen=True)
class Pair:
    """One round of a case: what a process of each side gave, in seconds, bytes or counts."""

    base: tuple[float, ...]
    head: tuple[float, ...]


@dataclass
class Rounds:
    """Pairs of each case, oldest first, and why a case has none."""

    #: By case; every case that is looked at has an entry.
    pairs: dict[Case, list[Pair]]
    #: By case, what failed, in words; such a case is judged by what it has.
    failures: dict[Case, str] = field(default_factory=dict)
    #: Cases that a side cannot do (asv's n/a), and which side.
    absent: dict[Case, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Rounds:
        """Rounds of some cases, none measured yet."""
        return cls({case: [] for case in cases})

    def ratios(self, case: Case) -> list[float]:
        """Log ratios of a case of time, a round each."""
        return log_ratios(self.pairs[case])

    def flat(self, case: Case) -> tuple[list[float], list[float]]:
        """All samples of BASE and of HEAD."""
        pairs = self.pairs[case]
        return [x for pair in pairs for x in pair.base], [x for pair in pairs for x in pair.head]

    def most(self) -> int:
        """Rounds of the case that has most."""
        return max((len(pairs) for pairs in self.pairs.values()), default=0)


def log_ratios(pairs: Sequence[Pair]) -> list[float]:
    """What rounds of time say, one by one: the log of HEAD's figure over BASE's."""
    gap = gap_of(pairs)
    return [statistics.log_figure(pair.head, gap) - statistics.log_figure(pair.base, gap) for pair in pairs]


def gap_of(pairs: Sequence[Pair]) -> float:
    """How far apart repeats usually lie, by the first rounds alone, so that more rounds leave each ratio as it is."""
    first = pairs[: statistics.LEAST_ROUNDS]
    return statistics.usual_gap([repeats for pair in first for repeats in (pair.base, pair.head)])
