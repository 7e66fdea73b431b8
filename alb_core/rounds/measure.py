"""Rounds, until every answer is clear or the time is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from asv.util import UserError
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import Case
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.sides import Outcome


class Bench(Protocol):
    """What rounds are measured with: two sides that run a case, BASE first where ``base_first``."""

    def open(self) -> None:
        """Begin a round."""

    def run(self, case: Case, base_first: bool) -> tuple[Outcome, Outcome]:
        """Run a case once on each side; what BASE and HEAD gave."""

    def close(self) -> None:
        """End the round."""


class Keeper(Protocol):
    """Where rounds are kept."""

    def add(self, case: Case, pair: Pair, started: datetime, seconds: float) -> None:
        """Keep a round of a case."""


@dataclass
class Measured:
    """How a call went."""

    #: Of the whole call.
    seconds: float = 0.0
    #: Rounds of single cases that it added.
    added: int = 0
    #: Rounds begun.
    rounds: int = 0
    #: Whether the user ended it.
    interrupted: bool = False
    #: Seconds of the last pair, by case.
    cost: dict[Case, float] = field(default_factory=dict)


def measure(
    bench: Bench,
    keeper: Keeper,
    rounds: Rounds,
    budget: float,
    still_open: Callable[[Rounds], Sequence[Case]],
    *,
    whole: bool = True,
    clock: Callable[[], float] = time.monotonic,
    option: str = "--budget",
) -> Measured:
    """Add rounds to what there is.

    In every round each open case runs once on both sides, one right after the other; which side is first changes from
    round to round (ABBA), and the round begins with another case each time, so that the end of the budget meets each.
    """
    done = Measured()
    begun = clock()
    with tqdm(total=round(budget), unit="s", disable=None, bar_format="{desc} {bar} {n:.0f}/{total} s") as bar:
        try:
            while cases := list(still_open(rounds)):
                left = budget - (clock() - begun)
                if min(done.cost.get(case, 0.0) for case in cases) > left or left <= 0:
                    break
                _round(bench, keeper, rounds, done, cases, begun + budget, clock, bar, begun)
        except KeyboardInterrupt:
            done.interrupted = True
        except UserError as error:
            # asv's runner makes this of an interrupt.
            if "Interrupted" not in str(error):
                raise
            done.interrupted = True
    done.seconds = clock() - begun
    if whole and not done.interrupted:
        _require_one_round(rounds, done, budget, option)
    return done


def _round(
    bench: Bench,
    keeper: Keeper,
    rounds: Rounds,
    done: Measured,
    cases: list[Case],
    end: float,
    clock: Callable[[], float],
    bar: Any,
    begun: float,
) -> None:
    # Counted over calls, or a second one would begin with the side that the first one ended with.
    number = rounds.most()
    first = number % len(cases)
    bench.open()
    try:
        for place, case in [*enumerate(cases)][first:] + [*enumerate(cases)][:first]:
            started, at = datetime.now(UTC), clock()
            if at + done.cost.get(case, 0.0) > end:
                continue
            bar.set_description(f"round {number + 1} {case.row}"[:60], refresh=False)
            base, head = bench.run(case, base_first=(len(rounds.pairs[case]) + place) % 2 == 0)
            seconds = clock() - at
            done.cost[case] = seconds
            bar.update(round(clock() - begun) - bar.n)
            if _fault(rounds, case, base, head):
                continue
            pair = Pair(base.samples, head.samples)
            keeper.add(case, pair, started, seconds)
            rounds.pairs[case].append(pair)
            done.added += 1
    finally:
        bench.close()
        done.rounds += 1


def _fault(rounds: Rounds, case: Case, base: Outcome, head: Outcome) -> bool:
    """Note a case that gave no pair."""
    sides: Mapping[str, Outcome] = {"BASE": base, "HEAD": head}
    failed = [label for label, outcome in sides.items() if not outcome.samples and not outcome.absent]
    absent = [label for label, outcome in sides.items() if outcome.absent]
    if failed:
        lines = sides[failed[0]].said.strip().splitlines() or ["no output"]
        rounds.failures[case] = f"{' and '.join(failed)}: {lines[-1].strip()}"
    elif absent:
        rounds.absent[case] = " and ".join(absent)
    return bool(failed or absent)


def _require_one_round(rounds: Rounds, done: Measured, budget: float, option: str) -> None:
    without = [
        case
        for case, pairs in rounds.pairs.items()
        if not pairs and case not in rounds.failures and case not in rounds.absent
    ]
    if without:
        measured = len(done.cost)
        whole = done.seconds / measured * len(rounds.pairs) if measured else None
        needs = f"; one takes about {whole:.0f} s" if whole else ""
        raise AlbError(
            f"a budget of {budget:.0f} s is too small for one round of {len(rounds.pairs)} benchmarks "
            f"({measured} were measured, and kept){needs}: give a larger {option}, or fewer benchmarks by -b"
        )
