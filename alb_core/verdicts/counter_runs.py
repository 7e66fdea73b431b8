"""Counters of BASE and HEAD, each in a run of its own, and what is said of them beside a verdict.

asv would fork a process for each figure. Here all of them are read out of the cache of ``benchmarks/counters.py`` that
those processes share, and appended to asv's results as rounds like any others.
"""

from __future__ import annotations

import itertools
import json
import math
import pickle
import statistics as plain
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv import util
from asv.config import Config
from asv.runner import Spawner
from tqdm import tqdm

from alb_core.base.processes import variable_set
from alb_core.rounds import pairs
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.pairs import Pair, Rounds, flat
from alb_core.verdicts import statistics
from alb_core.verdicts.judge import Verdict
from alb_core.verdicts.statistics import Word

#: What alb_core.cases.counters looks for in the environment; that module needs tiledbsoma, which a verdict does not.
CHOSEN = "ALB_COUNT"

#: Seconds that the counted epochs of a commit may take.
TIMEOUT = 900

#: asv's module of counters.
MODULE = "counters"

#: Runs of a count that differs: it is told only where every count of one commit lies above every count of the other.
RUNS_OF_DIFFERING = 3

#: Rows whose seconds of reading, converting and waiting are judged, those that changed most.
JUDGED_ROWS = 4

#: Level at which seconds of a part of an epoch are said to have moved: beside a change that is known, a hint.
LEVEL = 0.05

#: Figures of each combination by counter, or words for why there are none.
Figures = Mapping[str, Mapping[str, Any]]


def counters_of(
    benchmarks: Mapping[str, dict[str, Any]], cases: Iterable[BenchmarkCase]
) -> dict[str, list[BenchmarkCase]]:
    """Return, by row, the counters of some cases; rows outside the part of the grid that is counted have none."""
    found: dict[str, list[BenchmarkCase]] = {}
    for case in cases:
        if case.row in found:
            continue
        own = []
        cls = case.benchmark.split(".")[-2]
        for name, benchmark in benchmarks.items():
            combinations = list(itertools.product(*benchmark["params"]))
            if name.startswith(f"{MODULE}.{cls}.track_") and case.parameters in combinations:
                kind = Kind.TIME if benchmark["unit"] == "seconds" else Kind.COUNT
                own.append(BenchmarkCase(name, combinations.index(case.parameters), case.parameters, kind))
        if own:
            found[case.row] = own
    return found


class CounterRuns:
    """Runs the counters of both commits, and keeps what they count."""

    def __init__(
        self,
        count: Callable[[Sequence[str], bool], tuple[Figures, Figures]],
        keep: Callable[[BenchmarkCase, Pair, datetime, float], None],
        rounds: Rounds,
        by_row: Mapping[str, Sequence[BenchmarkCase]],
    ) -> None:
        self._count, self._keep, self._rounds, self._by_row = count, keep, rounds, by_row

    def run(self, verdict: Verdict) -> None:
        """Count once, again what differs, and often enough to judge seconds what became slower."""
        with tqdm(total=None, unit=" runs", desc="counting", disable=None, leave=False) as bar:
            for _ in range(pairs.LEAST_ROUNDS):
                rows = self._open(verdict)
                if not rows:
                    return
                self._once(rows)
                bar.update()

    def _open(self, verdict: Verdict) -> list[str]:
        """Rows of which another run could say more."""
        slower = [row for row in verdict.rows if row.time and row.time.word is Word.WORSE and not row.together]
        slower.sort(key=lambda row: -(row.time.change or 0.0) if row.time else 0.0)
        judged = {row.name for row in slower[:JUDGED_ROWS]}
        return [
            row
            for row, cases in self._by_row.items()
            if any(len(self._rounds.pairs[case]) < self._wanted(case, row in judged) for case in cases)
        ]

    def _wanted(self, case: BenchmarkCase, judged: bool) -> int:
        if case in self._rounds.failures or case in self._rounds.absent:
            return 0
        if case.kind is Kind.TIME:
            return pairs.LEAST_ROUNDS if judged else 1
        base, head = flat(self._rounds.pairs[case])
        return RUNS_OF_DIFFERING if base != head else 1

    def _once(self, rows: Sequence[str]) -> None:
        names = {row: _combination(self._by_row[row][0]) for row in rows}
        base_first = self._rounds.most() % 2 == 0
        started, at = datetime.now(UTC), time.monotonic()
        base, head = self._count(list(names.values()), base_first)
        each = (time.monotonic() - at) / sum(len(self._by_row[row]) for row in rows)
        for row in rows:
            one, other = base.get(names[row], {}), head.get(names[row], {})
            for case in self._by_row[row]:
                self._take(case, one, other, started, each)

    def _take(
        self, case: BenchmarkCase, base: Mapping[str, Any], head: Mapping[str, Any], started: datetime, seconds: float
    ) -> None:
        failed = [label for label, figures in (("BASE", base), ("HEAD", head)) if "failed" in figures]
        values = [figures.get(_counter(case)) for figures in (base, head)]
        if failed:
            self._rounds.failures[case] = " and ".join(failed)
        elif values[0] is None or values[1] is None:
            self._rounds.absent[case] = "a commit"
        else:
            pair = Pair((float(values[0]),), (float(values[1]),))
            self._keep(case, pair, started, seconds)
            self._rounds.pairs[case].append(pair)


def counted_by(
    conf: Config, commits: Sequence[InstalledCommit], counter: str
) -> Callable[[Sequence[str], bool], tuple[Figures, Figures]]:
    """Return what runs epochs of some combinations on both commits, a process each.

    One after the other: fragments are counted by the files that are opened, by whichever process.
    """

    def count(names: Sequence[str], base_first: bool) -> tuple[Figures, Figures]:
        found: dict[str, Figures] = {}
        for commit in commits if base_first else reversed(commits):
            with variable_set(CHOSEN, json.dumps(list(names))):
                found[commit.label] = _cache_of(conf, commit, counter)
        return found["BASE"], found["HEAD"]

    return count


def _cache_of(conf: Config, commit: InstalledCommit, counter: str) -> Figures:
    """What asv's cache of the counters holds for a commit; nothing, with a word about it, where it cannot be made."""
    spawner = Spawner(commit.environment, conf.benchmark_dir)
    place, said = spawner.create_setup_cache(f"{counter}-0", TIMEOUT, "{}")
    if place is None:
        print(f"alb: nothing could be counted on {commit.label}:\n{said}", file=sys.stderr)
        return {}
    try:
        found: dict[str, dict[str, Any]] = pickle.loads((Path(place) / "cache.pickle").read_bytes())
    finally:
        util.long_path_rmtree(place, True)
    for name, figures in found.items():
        if "failed" in figures:
            print(f"alb: {name} cannot be counted on {commit.label}:\n{figures['failed']}", file=sys.stderr)
    return {
        name: {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in one.items()}
        for name, one in found.items()
    }


def _combination(case: BenchmarkCase) -> str:
    """A combination's name as alb_core.cases.counters has it."""
    return f"{case.benchmark.split('.')[-2]}({', '.join(case.parameters)})"


def _counter(case: BenchmarkCase) -> str:
    return case.benchmark.rpartition(".track_")[2]


def moved_counters(verdict: Verdict, counted: Rounds, by_row: Mapping[str, Sequence[BenchmarkCase]]) -> list[str]:
    """Say which counters of each row moved."""
    found = []
    for row in verdict.rows:
        cases = [case for case in by_row.get(row.name, ()) if counted.pairs[case]]
        if row.together or not cases:
            continue
        moved = [words for words in (_moved(counted, case) for case in cases) if words]
        changed = {change.word for change in (row.time, row.memory) if change} & {Word.WORSE, Word.BETTER}
        if changed:
            word = " and ".join(sorted(changed))
            if moved:
                found.append(f"{row.name} is {word}, and with it moved {'; '.join(moved)}")
            else:
                same = [_name(case) for case in cases if case.kind is Kind.COUNT]
                found.append(f"{row.name} is {word}, and as before are {', '.join(same)}: the cause is in none of them")
        elif moved:
            said = "" if row.time is None else f" (its time: {row.time.word})"
            found.append(f"{row.name} is not known to have changed{said}, and still moved {'; '.join(moved)}")
    return found


def _moved(counted: Rounds, case: BenchmarkCase) -> str | None:
    """How a counter moved, in words; None where nothing says that it did."""
    base, head = flat(counted.pairs[case])
    if case.kind is Kind.TIME:
        ratios = [math.log(other / one) for one, other in zip(base, head, strict=True) if min(one, other) > 0]
        estimate = statistics.estimate(ratios)
        if estimate is None:
            return None
        low, high = estimate.interval(LEVEL)
        if low <= 0 <= high:
            return None
        change = math.expm1(estimate.log_ratio)
        return f"{_name(case)} {plain.median(base):.2f} -> {plain.median(head):.2f} s ({100 * change:+.0f} %)"
    if min(head) <= max(base) and max(head) >= min(base):
        return None
    before, after = plain.median(base), plain.median(head)
    share = f" ({100 * (after / before - 1):+.1f} %)" if before else ""
    return f"{_name(case)} {before:,.10g} -> {after:,.10g}{share}"


def _name(case: BenchmarkCase) -> str:
    return _counter(case).replace("_", " ")
