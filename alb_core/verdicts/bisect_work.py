"""The first bad commits of a range by what they do: each commit is counted once."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.work import CommitWork
from alb_core.verdicts.work_changes import change_of
from alb_core.verdicts.work_search import Interval, intervals, next_places, share
from alb_core.verdicts.work_steps import WorkStep

#: Counts cases on some commits, and returns what is known of each; why, where a commit cannot be installed.
Count = Callable[[Sequence[str], Sequence[BenchmarkCase]], Mapping[str, CommitWork | str]]


@dataclass
class WorkBisectResult:
    """How a bisection by work ended."""

    #: Oldest first; the first one is GOOD, the last one BAD.
    commits: Sequence[str]
    #: Cases that are counted, and the benchmark of time that each counts.
    cases: Mapping[BenchmarkCase, BenchmarkCase]
    #: With its version.
    counter: str
    #: From GOOD to BAD, as a share, of the cases that are counted on both.
    changes: dict[BenchmarkCase, float] = field(default_factory=dict)
    #: Cases whose work changed, and so is looked at between: those that do more, or those that do more or less.
    changed: list[BenchmarkCase] = field(default_factory=list)
    #: By the places of the commits before and after.
    steps: dict[Interval, dict[BenchmarkCase, WorkStep]] = field(default_factory=dict)
    #: Commits that have counts.
    counted: int = 0
    #: Why, by commit.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Why it is not at its end; None where it is.
    open: str | None = None
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """0 found, 3 not known, 130 interrupted."""
        return 130 if self.interrupted else 3 if self.open else 0


def search(
    found: WorkBisectResult, count: Count, threshold: float, at_once: int, budget: float, *, less: bool = False
) -> None:
    """Count until each step of the cases that do more work lies between two commits, or the budget is spent.

    With ``less``, cases that do less work are looked at as well.
    """
    begun, last = time.monotonic(), len(found.commits) - 1
    works: dict[int, dict[BenchmarkCase, Sequence[Work]]] = {}

    def counts() -> dict[BenchmarkCase, dict[int, int]]:
        return {case: {place: _least(works[place][case]) for place in works} for case in found.changed}

    try:
        works, _ = _counted(found, [0, last], list(found.cases), count)
        for case in found.cases:
            if case in works[0] and case in works[last]:
                found.changes[case] = share(_least(works[0][case]), _least(works[last][case]))
        found.changed = [
            case for case, change in found.changes.items() if (abs(change) if less else change) >= threshold
        ]
        for case in found.changed:
            print(f"alb: {found.cases[case].row} does {found.changes[case]:+.2%} work", file=sys.stderr, flush=True)
        skipped: set[int] = set()
        while found.changed and (places := next_places(counts().values(), skipped, threshold, at_once)):
            if time.monotonic() - begun > budget:
                found.open = "give a larger --budget"
                break
            new, lacking = _counted(found, places, found.changed, count)
            works |= {place: new[place] for place in places if place not in lacking}
            skipped |= lacking.keys()
            found.skipped |= {found.commits[place]: why for place, why in lacking.items()}
    except KeyboardInterrupt:
        found.interrupted, found.open = True, "interrupted: the counts are kept, and the same command goes on"
    found.counted = len(works)
    for case, mine in counts().items():
        for before, after in intervals(mine, threshold):
            change = change_of(works[before][case], works[after][case])
            step = WorkStep(found.cases[case].row, found.commits[after], found.commits[before], change)
            found.steps.setdefault((before, after), {})[case] = step
    if not found.changed and not found.open:
        kind = "more or less work" if less else "more work"
        seen = "; ".join(f"{found.cases[case].row} {change:+.2%}" for case, change in found.changes.items())
        found.open = f"nothing does {100 * threshold:g} % {kind} ({seen or 'nothing can be counted'})"


def _counted(
    found: WorkBisectResult, places: Sequence[int], cases: Sequence[BenchmarkCase], count: Count
) -> tuple[dict[int, dict[BenchmarkCase, Sequence[Work]]], dict[int, str]]:
    """Count cases at some places; and why one lacks a case, where one does."""
    known = count([found.commits[place] for place in places], cases)
    works: dict[int, dict[BenchmarkCase, Sequence[Work]]] = {place: {} for place in places}
    lacking = {}
    for place in places:
        mine = known[found.commits[place]]
        if isinstance(mine, str):
            lacking[place] = mine
            continue
        for case in cases:
            if mine.works.get(case):
                works[place][case] = mine.works[case]
            else:
                why = mine.failures.get(case, "n/a").strip().splitlines()[-1]
                lacking[place] = f"{found.cases[case].row} cannot be counted: {why}"
    for place, why in lacking.items():
        print(f"alb: {found.commits[place][:10]}: {why}", file=sys.stderr, flush=True)
    return works, lacking


def _least(works: Sequence[Work]) -> int:
    """The count that stands for all: what threads do while they wait only adds."""
    return min(work.instructions for work in works)


def lines(found: WorkBisectResult, title: Callable[[str], str], names: tuple[str, str]) -> Iterator[str]:
    """Yield what was found; the last lines name the first bad commits."""
    for commit, why in found.skipped.items():
        yield f"skipped {commit[:10]}: {why}"
    for case in found.changed:
        yield f"{found.cases[case].row} does {found.changes[case]:+.2%} work from {names[0]} to {names[1]}"
    first: dict[bool, list[str]] = {True: [], False: []}
    for (before, after), steps in sorted(found.steps.items()):
        candidates = [title(commit) for commit in found.commits[before + 1 : after + 1]]
        one_of = f"one of {len(candidates)}: " if len(candidates) > 1 else ""
        more = any(step.work.change > 0 for step in steps.values())
        yield f"{'more' if more else 'less'} work since {one_of}{'; '.join(candidates)}"
        for step in steps.values():
            yield f"  {step.row}: {step.said}"
            yield from (f"    {line}" for line in step.functions)
        what = "FIRST BAD COMMIT" if more else "FIRST COMMIT WITH LESS WORK"
        first[more].append(f"{what}{', ' if one_of else ': '}{one_of}{'; '.join(candidates)}")
        patterns = [f"-b {shlex.quote(f'^{re.escape(found.cases[case].name)}$')}" for case in steps]
        ends = f"{found.commits[before][:10]} {found.commits[after][:10]}"
        yield f"  to see it again: alb verdict {ends} --by work {' '.join(patterns)}"
    if found.steps:
        yield f"{found.counted} commits counted by {found.counter}, once each"
    if found.open:
        yield f"NOT KNOWN: {found.open}"
    else:
        yield from first[True] or first[False]
