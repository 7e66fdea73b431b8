"""Rounds over all releases, until each case has its rounds or the time is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from asv.util import UserError
from tqdm import tqdm

from alb_core.rounds.cases import Case
from alb_core.rounds.schedule import Grid, turns
from alb_core.rounds.sides import CouldNotMeasureError, Outcome

#: Runs a case once at a release.
Runner = Callable[[str, Case], Outcome]


class Bench(Protocol):
    """What measures."""

    def visit(self, versions: Sequence[str]) -> AbstractContextManager[Runner]:
        """Begin with some releases, by new processes that those of their cases fork from; end them with the block."""


class Keeper(Protocol):
    """Where rounds are kept."""

    def add(self, version: str, case: Case, samples: tuple[float, ...], started: datetime, seconds: float) -> None:
        """Keep a round of a case at a release."""

    def add_lacking(self, version: str, case: Case, seconds: float) -> None:
        """Keep that a release cannot do a case."""

    def add_failed(self, version: str, case: Case, said: str) -> None:
        """Keep that a release failed in a case."""


@dataclass
class Measured:
    """How a call went."""

    #: Of measuring.
    seconds: float = 0.0
    #: Rounds of single cases that it added.
    processes: int = 0
    #: Whether the user ended it.
    interrupted: bool = False


class _SpentError(Exception):
    """What comes next does not fit in the budget; ends the rounds."""


def measure(
    bench: Bench,
    keeper: Keeper,
    grid: Grid,
    budget: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], None],
) -> Measured:
    """Add the rounds that are missing: the first of every release, then the second of every release, and so on."""
    call = _Call(bench, keeper, grid, clock, clock() + budget, Measured())
    begun = clock()
    with tqdm(total=round(budget), unit="s", disable=None, bar_format="{desc} {bar} {n:.0f}/{total} s") as bar:
        call.bar, call.begun = bar, begun
        try:
            for number in range(grid.rounds):
                if any(grid.todo(version, number) for version in grid.versions):
                    tell(f"round {number + 1} of {grid.rounds}; {said_left(grid)}")
                    for group in turns(len(grid.versions), number):
                        call.group([grid.versions[index] for index in group], number)
        except _SpentError:
            pass
        except KeyboardInterrupt:
            call.done.interrupted = True
        except UserError as error:
            # asv's runner makes this of an interrupt.
            if "Interrupted" not in str(error):
                raise
            call.done.interrupted = True
    call.done.seconds = clock() - begun
    return call.done


def said_left(grid: Grid) -> str:
    """Say in words how much is left."""
    left = grid.left()
    if not left.processes:
        return "nothing is left"
    time_ = (
        "for an unknown time: nothing is measured yet" if left.seconds is None else f"about {in_words(left.seconds)}"
    )
    return f"{left.processes:,} processes are left, {time_}"


def in_words(seconds: float) -> str:
    """Say seconds as hours, minutes and seconds, as far as they matter."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


@dataclass
class _Call:
    """One call's work."""

    bench: Bench
    keeper: Keeper
    grid: Grid
    clock: Callable[[], float]
    end: float
    done: Measured
    begun: float = 0.0
    bar: Any = None

    def group(self, versions: Sequence[str], number: int) -> None:
        """Bring some releases to a number of rounds, case by case in turn."""
        todo = {version: cases for version in versions if (cases := self.grid.todo(version, number))}
        if not todo:
            return
        self._require(min(self.grid.expected(version, case) for version, cases in todo.items() for case in cases))
        opening = self.clock()
        try:
            with self.bench.visit([*todo]) as run:
                # Opening serves all that follows: each process is charged its share, so that costs add up to the time.
                share = (self.clock() - opening) / sum(map(len, todo.values()))
                self._cases(run, todo, number, share)
        except CouldNotMeasureError as error:
            if len(todo) == 1:
                self.grid.out[next(iter(todo))] = str(error)
            else:
                for version in todo:
                    self.group([version], number)

    def _cases(self, run: Runner, todo: dict[str, list[Case]], number: int, share: float) -> None:
        wanted = [case for case in self.grid.cases if any(case in cases for cases in todo.values())]
        first = number % len(wanted)
        for place, case in [*enumerate(wanted)][first:] + [*enumerate(wanted)][:first]:
            order = [version for version, cases in todo.items() if case in cases]
            # Which of two neighbours is first changes from case to case and from round to round.
            for version in order if (number + place) % 2 == 0 else reversed(order):
                self._require(self.grid.expected(version, case))
                self.bar.set_description(f"round {number + 1} {version} {case.row}"[:70], refresh=False)
                self._one(run, version, case, share)
                self.bar.update(round(self.clock() - self.begun) - self.bar.n)

    def _one(self, run: Runner, version: str, case: Case, share: float) -> None:
        started, at = datetime.now(UTC), self.clock()
        outcome = run(version, case)
        seconds = self.clock() - at + share
        if outcome.samples:
            self.keeper.add(version, case, outcome.samples, started, seconds)
            before = self.grid.counts[version, case]
            known = self.grid.cost.get((version, case), seconds)
            self.grid.cost[version, case] = (known * before + seconds) / (before + 1)
            self.grid.counts[version, case] += 1
            self.done.processes += 1
        elif outcome.absent:
            self.keeper.add_lacking(version, case, seconds)
            self.grid.absent.add((version, case))
        else:
            self.keeper.add_failed(version, case, outcome.said)
            lines = outcome.said.strip().splitlines() or ["no output"]
            self.grid.failures[version, case] = lines[-1].strip()

    def _require(self, seconds: float) -> None:
        if self.clock() >= self.end or self.clock() + seconds > self.end:
            raise _SpentError
