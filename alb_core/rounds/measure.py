"""The loop over rounds: what a schedule says comes next, until it ends or the budget is spent."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from asv.util import UserError
from tqdm import tqdm

from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import Kind, ProcessResult
from alb_core.rounds.installed_commits import CouldNotMeasureError
from alb_core.rounds.schedules import Group, Schedule, Turn, TurnResult


@dataclass
class MeasuringSummary:
    """How a call went."""

    #: Of the whole call.
    seconds: float = 0.0
    #: Turns that gave samples, and were kept.
    turns: int = 0
    groups: int = 0
    interrupted: bool = False


def measure(
    bench: Bench,
    schedule: Schedule,
    keep: Callable[[TurnResult], None],
    budget: float,
    *,
    before_group: Callable[[int], None] = lambda number: None,
    after_start: Callable[[float], None] = lambda seconds: None,
    clock: Callable[[], float] = time.monotonic,
) -> MeasuringSummary:
    """Run the groups of a schedule for a budget of seconds; ``keep`` stores what a turn gave.

    Ctrl-C ends it like the end of the budget: what is kept stays. ``before_group`` is called before each group with the
    number of those before it, and ``after_start`` with the seconds in which the group's commits were started.
    """
    summary = MeasuringSummary()
    begun = clock()
    end = begun + budget

    def fits(seconds: float) -> bool:
        return clock() < end and clock() + seconds <= end

    def run(group: Group) -> bool:
        """Run a group's turns; whether the rounds go on."""
        before_group(summary.groups)
        opening = clock()
        with bench.started(group.commits):
            opening = clock() - opening
            after_start(opening)
            summary.groups += 1
            for turn in group.turns:
                if not fits(schedule.expected_seconds(turn)):
                    if schedule.in_order:
                        return False
                    continue
                bar.set_description(turn.description, refresh=False)
                started, at = datetime.now(UTC), clock()
                results = _processes(bench, turn)
                result = TurnResult(
                    turn,
                    tuple(results[commit] for commit in turn.commits),
                    started,
                    seconds=clock() - at,
                    opening_seconds=opening / len(group.turns),
                )
                keep(result)
                schedule.record(result)
                summary.turns += result.complete
                # Beyond its total, a bar shows none.
                bar.update(min(round(clock() - begun), round(budget)) - bar.n)
        return True

    with tqdm(total=round(budget), unit="s", disable=None, bar_format="{desc} {bar} {n:.0f}/{total} s") as bar:
        try:
            for group in schedule.groups():
                if group.announcement:
                    print(f"alb: {group.announcement}", file=sys.stderr, flush=True)
                if not fits(min(map(schedule.expected_seconds, group.turns))):
                    break
                try:
                    if not run(group):
                        break
                except CouldNotMeasureError as error:
                    schedule.record_not_started(group, error)
        except KeyboardInterrupt:
            summary.interrupted = True
        except UserError as error:
            # asv's runner makes this of an interrupt.
            if "Interrupted" not in str(error):
                raise
            summary.interrupted = True
    summary.seconds = clock() - begun
    return summary


def _processes(bench: Bench, turn: Turn) -> dict[str, ProcessResult]:
    """Run a turn's processes, one after the other; those of memory beside each other: no peak minds a neighbour."""
    order = turn.commits[::-1] if turn.reverse else turn.commits
    if turn.case.kind is not Kind.MEMORY:
        return {commit: bench.run(commit, turn.case) for commit in order}
    with ThreadPoolExecutor(len(order)) as pool:
        return dict(zip(order, pool.map(lambda commit: bench.run(commit, turn.case), order), strict=True))
