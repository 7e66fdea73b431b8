"""What is measured and what is left: rounds of each case at each release. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alb_core.rounds.cases import Case
from alb_core.rounds.selections import wanted

#: Releases that are measured in turn, case by case. Two, as in a verdict: the processes that theirs fork from are made
#: at once, which takes as long as one.
TOGETHER = 2

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Left:
    """What a campaign has still to do."""

    #: One for each round of each case at each release.
    processes: int
    #: What they take; None where no process of any case has been measured yet.
    seconds: float | None


@dataclass
class Grid:
    """Rounds of cases at releases."""

    #: Of the releases, oldest first.
    versions: Sequence[str]
    #: What is measured.
    cases: Sequence[Case]
    #: Rounds of a case of time; others have fewer (:func:`alb_core.rounds.selections.wanted`).
    rounds: int
    #: Rounds that there are; every pair of release and case has an entry.
    counts: dict[tuple[str, Case], int] = field(default_factory=dict)
    #: Seconds of a round, where known.
    cost: dict[tuple[str, Case], float] = field(default_factory=dict)
    #: What a release cannot do.
    absent: set[tuple[str, Case]] = field(default_factory=set)
    #: What failed in this call, with its last line; it is tried again by the next one.
    failures: dict[tuple[str, Case], str] = field(default_factory=dict)
    #: Releases that cannot be measured at all, and why.
    out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give every pair its entry."""
        self.counts = {(version, case): 0 for version in self.versions for case in self.cases} | self.counts

    def todo(self, version: str, number: int) -> list[Case]:
        """Cases of a release that lack a round before or at a number (counted from 0)."""
        if version in self.out:
            return []
        return [
            case
            for case in self.cases
            if (version, case) not in self.absent
            and (version, case) not in self.failures
            and self.counts[version, case] < min(number + 1, wanted(case, self.rounds))
        ]

    def left(self) -> Left:
        """Return what is missing of all rounds."""
        missing = {
            (version, case): wanted(case, self.rounds) - self.counts[version, case]
            for version in self.versions
            for case in self.todo(version, self.rounds - 1)
        }
        if not missing:
            return Left(0, 0.0)
        seconds = None
        if self.cost:
            seconds = sum(count * self.expected(*place) for place, count in missing.items())
        return Left(sum(missing.values()), seconds)

    def expected(self, version: str, case: Case) -> float:
        """Seconds of a round of a case at a release: its own, or the median of its likes; 0 where nothing is known."""
        own = self.cost.get((version, case))
        if own is not None:
            return own
        likes = [cost for (_, other), cost in self.cost.items() if other == case] or list(self.cost.values())
        return statistics.median(likes) if likes else 0.0

    def spread(self, cases: Iterable[Case]) -> tuple[int, int]:
        """Fewest and most rounds that measurable cases have at any release."""
        counts = [
            self.counts[version, case]
            for version in self.versions
            for case in cases
            if version not in self.out and (version, case) not in self.absent and (version, case) not in self.failures
        ]
        return min(counts, default=0), max(counts, default=0)


def turns(count: int, number: int) -> list[tuple[int, ...]]:
    """Return in which order a round measures releases: indices, in groups of neighbours that take turns.

    A round begins somewhere else than those before (by the golden ratio, which spreads any number of beginnings
    evenly), and the next one goes the same way backwards: an hour that gets slower and slower meets each release early
    as often as late. Neighbours stay neighbours, so that the same minutes measured both.
    """
    if count == 0:
        return []
    start = int(count * ((number // 2) * _GOLDEN % 1))
    order = [(start + place) % count for place in range(count)]
    if number % 2:
        order.reverse()
    return [tuple(order[at : at + TOGETHER]) for at in range(0, count, TOGETHER)]
