"""What is measured next, on which commits, in which order: of a pair, and of a release and injected changes. Pure.

A schedule yields groups of turns (:func:`alb_core.rounds.measure.measure` runs them) and is told what each turn gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import BenchmarkCase, Kind, ProcessResult
from alb_core.rounds.pairs import Pair, Rounds

#: Names of the two commits of a pair.
BASE, HEAD = "BASE", "HEAD"


@dataclass(frozen=True)
class Turn:
    """One case on one commit or several, one right after the other, in a process each."""

    case: BenchmarkCase
    #: Names of the commits.
    commits: tuple[str, ...]
    description: str
    #: Whether the last commit runs first.
    reverse: bool = False


@dataclass(frozen=True)
class Group:
    """Turns whose processes fork from the same ones, which are new for each group."""

    #: Names of the commits that are started.
    commits: tuple[str, ...]
    turns: tuple[Turn, ...]
    #: What to tell the user before it; empty for nothing.
    announcement: str = ""


@dataclass(frozen=True)
class TurnResult:
    """What a turn gave."""

    turn: Turn
    #: One for each commit of the turn, in that order.
    results: tuple[ProcessResult, ...]
    started: datetime
    #: Of the turn's processes.
    seconds: float
    #: The turn's share of the seconds in which the group's commits were started.
    opening_seconds: float

    @property
    def complete(self) -> bool:
        """Whether each commit has samples."""
        return all(result.samples for result in self.results)


class Schedule(Protocol):
    """Says what comes next."""

    #: Whether a turn that does not fit in the budget ends the rounds; if not, it is left out and the next one is tried.
    in_order: ClassVar[bool]

    def groups(self) -> Iterator[Group]:
        """Yield what comes next, by what was recorded so far."""

    def expected_seconds(self, turn: Turn) -> float:
        """Seconds of a turn, as far as known; else 0."""

    def record(self, result: TurnResult) -> None:
        """Take note of what a turn gave."""

    def record_not_started(self, group: Group, error: AlbError) -> None:
        """Take note that the commits of a group could not be started, or raise the error."""


class PairSchedule:
    """Rounds of BASE and HEAD, of the cases that are open.

    In every round each open case runs once on both commits, one right after the other. Which commit is first changes
    from round to round (ABBA), and the round begins with another case each time, so that the end of the budget meets
    each case.
    """

    in_order: ClassVar[bool] = False

    def __init__(
        self, rounds: Rounds, still_open: Callable[[Rounds], Sequence[BenchmarkCase]], budget: float = math.inf
    ) -> None:
        self.rounds, self._still_open, self._budget = rounds, still_open, budget
        #: Seconds of the last pair, by case.
        self.cost: dict[BenchmarkCase, float] = {}

    def commits(self) -> tuple[str, ...]:
        """Names of all commits, which every round starts."""
        return BASE, HEAD

    def pair_of(self, case: BenchmarkCase) -> tuple[str, str]:
        """Names of the two commits that a case compares."""
        return BASE, HEAD

    def groups(self) -> Iterator[Group]:
        """Yield a round at a time, until no case is open."""
        while cases := list(self._still_open(self.rounds)):
            # Counted over calls, or a second one would begin with the commit that the first one ended with.
            number = self.rounds.most()
            turns = [
                Turn(
                    case,
                    self.pair_of(case),
                    f"round {number + 1} {case.row}"[:60],
                    reverse=(len(self.rounds.pairs[case]) + place) % 2 == 1,
                )
                for place, case in rotated(cases, number)
            ]
            yield Group(self.commits(), tuple(turns))

    def expected_seconds(self, turn: Turn) -> float:
        """Seconds of the last pair of this call."""
        return self.cost.get(turn.case, 0.0)

    def record(self, result: TurnResult) -> None:
        """Append a pair, or note why a case gave none."""
        case = result.turn.case
        self.cost[case] = result.seconds
        base, head = result.results
        by_name = {BASE: base, HEAD: head}
        failed = [name for name, each in by_name.items() if not each.samples and not each.absent]
        absent = [name for name, each in by_name.items() if each.absent]
        if failed:
            self.rounds.failures[case] = f"{' and '.join(failed)}: {by_name[failed[0]].last_line}"
        elif absent:
            self.rounds.absent[case] = " and ".join(absent)
        else:
            self.rounds.pairs[case].append(Pair(base.samples, head.samples, base.epochs, head.epochs))
        # Half as much again: cases differ, and the first ones read what later ones find in memory.
        if self._a_round() > 1.5 * self._budget:
            self.require_one_round(sum(self.cost.values()), self._budget)

    def _a_round(self) -> float:
        """Seconds of a round of all cases, by what those took that were measured."""
        return sum(self.cost.values()) / len(self.cost) * len(self.rounds.pairs)

    def record_not_started(self, group: Group, error: AlbError) -> None:
        """Raise the error: without one of its commits there is no pair."""
        raise error

    def require_one_round(self, seconds: float, budget: float, option: str = "--budget") -> None:
        """Refuse a budget in which some case had no round; ``seconds`` is what measuring took."""
        rounds = self.rounds
        without = [
            case
            for case, pairs in rounds.pairs.items()
            if not pairs and case not in rounds.failures and case not in rounds.absent
        ]
        if without:
            measured = len(self.cost)
            needs = f"; one takes about {seconds / measured * len(rounds.pairs):.0f} s" if measured and seconds else ""
            raise AlbError(
                f"a budget of {budget:.0f} s is too small for one round of {len(rounds.pairs)} benchmarks "
                f"({measured} were measured, and kept){needs}: give a larger {option}, or fewer benchmarks by -b"
            )


@dataclass(frozen=True)
class InjectedCase(BenchmarkCase):
    """A case between a release (BASE) and a commit with an injected change (HEAD)."""

    size: str = ""

    @property
    def case(self) -> BenchmarkCase:
        """What both commits run."""
        return BenchmarkCase(self.benchmark, self.index, self.parameters, self.kind)


#: By size of the change and kind of case, in how many of :data:`OUT_OF` rounds it is measured.
Shares = Mapping[str, Mapping[Kind, int]]
OUT_OF = 20


class InjectedSchedule(PairSchedule):
    """Rounds of a release and each of its injected changes; kinds of cases that a verdict needs less of take fewer."""

    def __init__(self, rounds: Rounds, shares: Shares) -> None:
        super().__init__(rounds, lambda rounds: due(rounds, shares))

    def commits(self) -> tuple[str, ...]:
        """BASE and the sizes of all changes."""
        return (BASE, *dict.fromkeys(case.size for case in injected_cases_in(self.rounds)))

    def pair_of(self, case: BenchmarkCase) -> tuple[str, str]:
        """BASE and the size of a case's change."""
        assert isinstance(case, InjectedCase), case
        return BASE, case.size


def injected_cases(cases: Iterable[BenchmarkCase], shares: Shares) -> list[InjectedCase]:
    """Combine cases with changes; those of a case stand side by side, so that an hour is the same to them."""
    return [
        InjectedCase(case.benchmark, case.index, case.parameters, case.kind, size)
        for case in cases
        for size, kinds in shares.items()
        if case.kind in kinds
    ]


def injected_cases_in(rounds: Rounds) -> list[InjectedCase]:
    """Return the cases of rounds of injected changes."""
    return [case for case in rounds.pairs if isinstance(case, InjectedCase)]


def due(rounds: Rounds, shares: Shares) -> list[InjectedCase]:
    """Return the cases of the next round: those that are behind, after a command that was ended, before all others."""
    live = {
        case: (len(rounds.pairs[case]), shares[case.size][case.kind])
        for case in injected_cases_in(rounds)
        if case not in rounds.failures and case not in rounds.absent
    }
    complete = min((done * OUT_OF // share for done, share in live.values()), default=0)
    # As many as the share of one round more, rounded up: each of them is in the first round.
    return [case for case, (done, share) in live.items() if done < -(-share * (complete + 1) // OUT_OF)]


def rotated(cases: Sequence[BenchmarkCase], number: int) -> list[tuple[int, BenchmarkCase]]:
    """Return cases with their places, from another one on in each round."""
    places = [*enumerate(cases)]
    first = number % len(cases) if cases else 0
    return places[first:] + places[:first]
