"""Steps of a history: releases, or commits, at which time, memory or work changed, for the page that lists them.

Time and memory of commits that were measured round by round, as a campaign does, have intervals; of others asv's own
detection of steps is taken, which has none. Work is counted.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv.results import Results

from alb_core.base.files import write_atomically
from alb_core.rounds.cases import BenchmarkCase, Kind, kind_of
from alb_core.rounds.results.store import CAMPAIGN, Store
from alb_core.rounds.work import WorkStore, recorded_counter, work_cases
from alb_core.verdicts.change_points import Step, find_steps
from alb_core.verdicts.judge import THRESHOLD
from alb_core.verdicts.work_steps import WorkStep, work_steps

#: Within the site.
INDEX = "alb/steps.json"

Benchmarks = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Shown:
    """What is published of one machine in one environment."""

    machine: str
    #: Empty results of each commit, oldest first, by the name that the site has for it.
    commits: Mapping[str, Results]
    #: The suite's own, with all parameters, and the cases that are drawn of them.
    benchmarks: Benchmarks
    cases: Sequence[BenchmarkCase]


@dataclass(frozen=True)
class Guess:
    """A step that has no interval."""

    case: BenchmarkCase
    version: str
    before: str
    old: float
    new: float


def shown(
    every: Iterable[Results], benchmarks: Benchmarks, drawn: Benchmarks, names: Mapping[str, str]
) -> Iterator[Shown]:
    """Yield what is published, by machine and environment; ``names`` are of commits, oldest first."""
    found: dict[tuple[str, str], dict[str, Results]] = {}
    for one in every:
        found.setdefault((one.params["machine"], one.env_name), {})[one.commit_hash] = one
    cases = [case for name in drawn for case in _cases(benchmarks[name]) if _has(drawn[name], case)]
    for (machine, _), by_commit in found.items():
        commits = {name: _empty(by_commit[commit]) for commit, name in names.items() if commit in by_commit}
        yield Shown(machine, commits, benchmarks, cases)


def write(site: Path, results: Path, lines: Iterable[Shown], guess: Callable[[Shown], Iterable[Guess]]) -> int:
    """Write what the page shows; return how many steps there are. ``guess`` finds them where no round was measured."""
    found: list[dict[str, Any]] = []
    for line in lines:
        steps, measured = _of_rounds(results, line)
        works, counted = _of_work(results, line)
        guessed = [_guessed_step(one, line.benchmarks) for one in guess(line) if one.case not in measured | counted]
        found += [{"machine": line.machine, **step} for step in (*steps, *works, *guessed)]
    write_atomically(site / INDEX, json.dumps({"steps": found}, ensure_ascii=False, separators=(",", ":")).encode())
    return len(found)


def by_graphs(
    graphs: Any, drawn: Benchmarks, revisions: Mapping[str, int], thresholds: Mapping[str, float]
) -> Callable[[Shown], Iterator[Guess]]:
    """Return what finds steps as asv does, in its graphs."""

    def guess(line: Shown) -> Iterator[Guess]:
        names = {revisions[one.commit_hash]: name for name, one in line.commits.items()}
        for graph in (graph for _, graph in graphs if _is_of(graph, line)):
            series = [graph.get_steps()] if graph.scalar_series else graph.get_steps()
            combinations = itertools.product(*drawn[graph.benchmark_name]["params"])
            by_parameters = {case.parameters: case for case in line.cases if case.benchmark == graph.benchmark_name}
            for combination, steps in zip(combinations, series, strict=True):
                case = by_parameters[combination]
                least = max((size for regex, size in thresholds.items() if re.match(regex, case.name)), default=0.0)
                for (_, end, old, *_), (start, _, new, *_) in itertools.pairwise(steps):
                    if old and abs(new / old - 1) >= (least or THRESHOLD):
                        yield Guess(case, names[start], names[end - 1], old, new)

    return guess


def _of_rounds(results: Path, line: Shown) -> tuple[list[dict[str, Any]], set[BenchmarkCase]]:
    """Steps of what was measured round by round, and which cases that are."""
    by_hash = {one.commit_hash: one for one in line.commits.values()}
    store = Store(results, line.machine, by_hash.__getitem__, line.benchmarks, by_hash)
    rounds: dict[BenchmarkCase, dict[str, dict[tuple[int, int], Sequence[float]]]] = {}
    for case, (name, one) in itertools.product(line.cases, line.commits.items()):
        sessions = store.of(one.commit_hash).rounds(CAMPAIGN, case)
        samples = [(session, each) for session, mine in sessions.items() for each in mine]
        if samples:
            mine: dict[tuple[int, int], Sequence[float]] = {
                (session, number): each for number, (session, each) in enumerate(samples)
            }
            rounds.setdefault(case, {})[name] = mine
    found = find_steps(rounds)
    return [_round_step(step, line.benchmarks) for one in found for step in one.steps], {one.case for one in found}


def _of_work(results: Path, line: Shown) -> tuple[list[dict[str, Any]], set[BenchmarkCase]]:
    """Steps of counted work, and which cases count it."""
    counter = recorded_counter(results, line.machine)
    if counter is None:
        return [], set()
    by_hash = {one.commit_hash: one for one in line.commits.values()}
    store = WorkStore(results, line.machine, by_hash.__getitem__, line.benchmarks, counter)
    known = {name: store.of(one.commit_hash).works for name, one in line.commits.items()}
    cases = work_cases(line.benchmarks, counter.kind)
    works = {row: {name: mine[case] for name, mine in known.items() if mine.get(case)} for row, case in cases.items()}
    counted = {cases[row] for row, mine in works.items() if len(mine) > 1}
    return [_work_step(step, cases[step.row]) for step in work_steps(works)], counted


def _is_of(graph: Any, line: Shown) -> bool:
    """Whether a graph of asv's is of a machine and an environment."""
    variables = next(iter(line.commits.values())).env_vars if line.commits else {}
    wanted = {"machine": line.machine, **{f"env-{name}": value for name, value in variables.items()}}
    return "summary" not in graph.params and all(graph.params.get(name) == value for name, value in wanted.items())


def _round_step(step: Step, benchmarks: Benchmarks) -> dict[str, Any]:
    relative = step.case.kind is not Kind.COUNT
    ends = (step.change, step.low, step.high)
    change, low, high = ends if relative else (end / abs(step.old) if step.old else None for end in ends)
    return {
        **_case(step.case, benchmarks[step.case.benchmark]["unit"]),
        **{"version": step.version, "before": step.before, "old": step.old, "new": step.new},
        **{"change": change, "low": low, "high": high},
    }


def _guessed_step(step: Guess, benchmarks: Benchmarks) -> dict[str, Any]:
    return {
        **_case(step.case, benchmarks[step.case.benchmark]["unit"]),
        **{"version": step.version, "before": step.before, "old": step.old, "new": step.new},
        "change": step.new / step.old - 1,
    }


def _work_step(step: WorkStep, case: BenchmarkCase) -> dict[str, Any]:
    return {
        **_case(case, "instructions"),
        **{"kind": "work", "case": step.row, "version": step.version, "before": step.before},
        **{"old": step.work.base, "new": step.work.head, "change": step.work.change, "functions": step.functions},
    }


def _case(case: BenchmarkCase, unit: str) -> dict[str, Any]:
    return {
        "case": case.name,
        "benchmark": case.benchmark,
        "parameters": case.parameters,
        "kind": case.kind.value,
        "unit": unit,
    }


def _cases(benchmark: dict[str, Any]) -> Iterator[BenchmarkCase]:
    for index, combination in enumerate(itertools.product(*benchmark["params"])):
        yield BenchmarkCase(benchmark["name"], index, combination, kind_of(benchmark))


def _has(drawn: Mapping[str, Any], case: BenchmarkCase) -> bool:
    return all(value in values for value, values in zip(case.parameters, drawn["params"], strict=True))


def _empty(one: Results) -> Results:
    """Return results like some, without figures: what a store fills."""
    return Results(one.params, one._requirements, one.commit_hash, one.date, one._python, one.env_name, one.env_vars)
