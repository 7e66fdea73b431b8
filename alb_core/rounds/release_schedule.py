"""What is measured next of all releases, in which order, and how much is left. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.schedules import Group, Turn, TurnResult, rotated

#: Releases that are measured in turn, case by case. Two, as in a verdict: the processes that theirs fork from are made
#: at once, which takes as long as one.
RELEASES_TOGETHER = 2

#: Rounds of a case of time where nobody says otherwise. By simulation of a shared machine, 5 % between levels of many
#: releases is found in 40 histories of 40, before the last four releases in 32; 10 % at the last alone in only 15.
ROUNDS = 12

#: Rounds of a peak or a count, which hardly vary: as many as a verdict asks for before it says anything.
FEW_ROUNDS = 4

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Remaining:
    """What a campaign has still to do."""

    #: One for each round of each case at each release.
    processes: int
    #: What they take; None where no process of any case has been measured yet.
    seconds: float | None

    @property
    def said(self) -> str:
        """In words."""
        if not self.processes:
            return "nothing is left"
        time = (
            "for an unknown time: nothing is measured yet"
            if self.seconds is None
            else f"about {duration_in_words(self.seconds)}"
        )
        return f"{self.processes:,} processes are left, {time}"


def duration_in_words(seconds: float) -> str:
    """Say seconds as hours, minutes and seconds, as far as they matter."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


@dataclass
class ReleaseSchedule:
    """Rounds of cases at releases: the first of every release, then the second of every release, and so on."""

    in_order: ClassVar[bool] = True

    #: Of the releases, oldest first.
    versions: Sequence[str]
    cases: Sequence[BenchmarkCase]
    #: Rounds of a case of time; others have fewer (:func:`wanted_rounds`).
    rounds: int
    #: Rounds that there are; every combination of release and case has an entry.
    counts: dict[tuple[str, BenchmarkCase], int] = field(default_factory=dict)
    #: Mean seconds of a round, where known.
    cost: dict[tuple[str, BenchmarkCase], float] = field(default_factory=dict)
    #: What a release cannot do.
    absent: set[tuple[str, BenchmarkCase]] = field(default_factory=set)
    #: What failed in this call, with its last line; it is tried again by the next one.
    failures: dict[tuple[str, BenchmarkCase], str] = field(default_factory=dict)
    #: Releases that cannot be measured at all, and why.
    unusable: dict[str, str] = field(default_factory=dict)
    #: Why the last group could not be started.
    _start_error: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Give every combination its entry."""
        self.counts = {(version, case): 0 for version in self.versions for case in self.cases} | self.counts

    def groups(self) -> Iterator[Group]:
        """Yield neighbouring releases, round by round."""
        for number in range(self.rounds):
            if any(self.todo(version, number) for version in self.versions):
                announcement = f"round {number + 1} of {self.rounds}; {self.remaining().said}"
                for places in release_order(len(self.versions), number):
                    for group in self._groups([self.versions[place] for place in places], number, announcement):
                        yield group
                        announcement = ""

    def _groups(self, versions: Sequence[str], number: int, announcement: str) -> Iterator[Group]:
        """Bring some releases to a number of rounds; each alone where they could not be started together."""
        turns = tuple(self._turns(versions, number))
        if not turns:
            return
        started = tuple(version for version in versions if any(turn.commits == (version,) for turn in turns))
        self._start_error = None
        yield Group(started, turns, announcement)
        if self._start_error is None:
            return
        if len(started) == 1:
            self.unusable[started[0]] = self._start_error
            return
        for version in started:
            yield from self._groups([version], number, "")

    def _turns(self, versions: Sequence[str], number: int) -> Iterator[Turn]:
        todo = {version: self.todo(version, number) for version in versions}
        cases = [case for case in self.cases if any(case in mine for mine in todo.values())]
        for place, case in rotated(cases, number):
            order = [version for version, mine in todo.items() if case in mine]
            # Which of two neighbours is first changes from case to case and from round to round.
            for version in order if (number + place) % 2 == 0 else reversed(order):
                yield Turn(case, (version,), f"round {number + 1} {version} {case.row}"[:70])

    def expected_seconds(self, turn: Turn) -> float:
        """Seconds of a turn: its own, or the median of its likes; 0 where nothing is known."""
        return self._expected(turn.commits[0], turn.case)

    def _expected(self, version: str, case: BenchmarkCase) -> float:
        own = self.cost.get((version, case))
        if own is not None:
            return own
        likes = [cost for (_, other), cost in self.cost.items() if other == case] or list(self.cost.values())
        return statistics.median(likes) if likes else 0.0

    def record(self, result: TurnResult) -> None:
        """Count a round, or note why there is none."""
        [version], [process] = result.turn.commits, result.results
        place = (version, result.turn.case)
        if process.samples:
            # Starting a group serves all its turns: each has its share, so that costs add up to the time.
            seconds = result.seconds + result.opening_seconds
            before = self.counts[place]
            self.cost[place] = (self.cost.get(place, seconds) * before + seconds) / (before + 1)
            self.counts[place] += 1
        elif process.absent:
            self.absent.add(place)
        else:
            self.failures[place] = process.last_line

    def record_not_started(self, group: Group, error: AlbError) -> None:
        """Let each release of the group be tried alone, or leave it out."""
        self._start_error = str(error)

    def todo(self, version: str, number: int) -> list[BenchmarkCase]:
        """Cases of a release that lack a round before or at a number (counted from 0)."""
        if version in self.unusable:
            return []
        return [
            case
            for case in self.cases
            if (version, case) not in self.absent
            and (version, case) not in self.failures
            and self.counts[version, case] < min(number + 1, wanted_rounds(case, self.rounds))
        ]

    def remaining(self) -> Remaining:
        """Return what is missing of all rounds."""
        missing = {
            (version, case): wanted_rounds(case, self.rounds) - self.counts[version, case]
            for version in self.versions
            for case in self.todo(version, self.rounds - 1)
        }
        if not missing:
            return Remaining(0, 0.0)
        seconds = None
        if self.cost:
            seconds = sum(count * self._expected(*place) for place, count in missing.items())
        return Remaining(sum(missing.values()), seconds)

    def spread(self, cases: Iterable[BenchmarkCase]) -> tuple[int, int]:
        """Fewest and most rounds that measurable cases have at any release."""
        counts = [
            self.counts[version, case]
            for version in self.versions
            for case in cases
            if version not in self.unusable
            and (version, case) not in self.absent
            and (version, case) not in self.failures
        ]
        return min(counts, default=0), max(counts, default=0)


def wanted_rounds(case: BenchmarkCase, rounds: int) -> int:
    """Return how many rounds a case gets in a campaign of so many."""
    return rounds if case.kind is Kind.TIME else min(rounds, FEW_ROUNDS)


def release_order(count: int, number: int) -> list[tuple[int, ...]]:
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
    return [tuple(order[at : at + RELEASES_TOGETHER]) for at in range(0, count, RELEASES_TOGETHER)]
