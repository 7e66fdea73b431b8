"""``alb verdict`` without its command line: two commits and a budget, or rounds that are recorded, to a verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.base.paths import environment_roots
from alb_core.rounds import canary
from alb_core.rounds.bench import Bench
from alb_core.rounds.installed_commits import InstalledCommit, base_and_head, commits_of, dependencies
from alb_core.rounds.measure import MeasuringSummary, measure
from alb_core.rounds.measuring_session import discovered, empty_results, session
from alb_core.rounds.pairs import Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.schedules import BASE, HEAD, PairSchedule
from alb_core.rounds.selections import VERDICT, check, selected
from alb_core.verdicts import calibration_file, counter_runs
from alb_core.verdicts.counter_runs import CounterRuns, counted_by, counters_of
from alb_core.verdicts.judge import WORK_THRESHOLD, Judge, Verdict
from alb_core.verdicts.statistics import planned
from alb_core.verdicts.verdict_text import Context


@dataclass(frozen=True)
class VerdictRequest:
    """What is asked of a verdict."""

    #: Names of commits of the history.
    base: str = "main"
    head: str = "HEAD"
    #: Seconds to measure, builds and canary apart.
    budget: float = 600.0
    #: Regular expressions of benchmarks; the standard ones by default.
    patterns: tuple[str, ...] = VERDICT.patterns
    #: Relative change that is called none below it; None for the calibration's, or the default.
    threshold: float | None = None
    #: Name; None for asv's own choice.
    machine: str | None = None
    #: Whether a commit may be measured against itself.
    same: bool = False
    run_canary: bool = True
    run_counters: bool = False
    #: asv's attributes of benchmarks to override.
    attributes: Mapping[str, Any] | None = None


def run(request: VerdictRequest) -> tuple[Verdict, Context]:
    """Measure two commits side by side and judge them."""
    check(request.patterns)
    with session(request.machine, environment_roots()) as (conf, repo, machine):
        known = calibration_file.load(Path(conf.results_dir), machine)
        names = (request.base, request.base if request.same and request.head == "HEAD" else request.head)
        commits = commits_of(conf, repo, names)
        if (commits[0] == commits[1]) is not request.same:
            raise _unlike(names, commits)
        base, head = base_and_head(conf, repo, names, commits)
        benchmarks = discovered(conf, repo, head)
        cases = selected(conf, benchmarks, request.patterns)
        benchmarks.save()
        seen = canary.look(known.canary if known else None) if request.run_canary else None
        if seen is not None:
            print(f"alb: {seen.said}", file=sys.stderr)
        empty = empty_results(repo, head.environment, machine)
        store = Store(Path(conf.results_dir), machine, empty, benchmarks, commits)
        rounds = Rounds({case: store.pairs(base.commit, head.commit, case) for case in cases})
        recorded = sum(map(len, rounds.pairs.values()))
        judge = judge_of(request.threshold, known)
        schedule = PairSchedule(rounds, judge.still_open)
        bench = Bench(conf, {BASE: base, HEAD: head}, benchmarks, request.attributes)
        done = measure(bench, schedule, partial(store.keep_pair, base.commit, head.commit), request.budget)
        if not done.interrupted:
            schedule.require_one_round(done.seconds, request.budget)
        verdict = judge.verdict(rounds)
        if not request.same:
            verdict = replace(verdict, moved=(*verdict.moved, *dependencies(base, head)))
        if request.run_counters and not request.same:
            verdict, done.interrupted = _with_counters(conf, (base, head), benchmarks, store, verdict, rounds, done)
    context = Context(
        base=base.name,
        head=head.name,
        base_commit=base.commit,
        head_commit=head.commit,
        machine=machine,
        seconds=done.seconds,
        budget=request.budget,
        recorded=recorded,
        interrupted=done.interrupted,
        canary=seen,
        calibration=known,
    )
    return verdict, context


def judge_of(threshold: float | None, known: calibration_file.Calibration | None) -> Judge:
    """Return the rule for a machine: what its calibration says is no change, and how many rounds it has to spend on."""
    if known is None:
        return Judge(threshold)
    work = known.work.threshold if known.work else WORK_THRESHOLD
    return Judge(threshold, known.thresholds(), work, usual=planned(known.verdict_rounds))


def _with_counters(
    conf: Config,
    commits: tuple[InstalledCommit, InstalledCommit],
    benchmarks: Mapping[str, dict[str, Any]],
    store: Store,
    verdict: Verdict,
    rounds: Rounds,
    done: MeasuringSummary,
) -> tuple[Verdict, bool]:
    """Say beside a verdict what the counters did; and whether the user ended it."""
    interrupted = done.interrupted
    base, head = (each.commit for each in commits)
    by_row = counters_of(benchmarks, [case for case, pairs in rounds.pairs.items() if pairs])
    counted = Rounds({case: store.pairs(base, head, case) for cases in by_row.values() for case in cases})
    if counted.pairs and not interrupted:
        try:
            count = counted_by(conf, commits, next(iter(counted.pairs)).benchmark)
            CounterRuns(count, partial(store.add_pair, base, head), counted, by_row).run(verdict)
        except KeyboardInterrupt:
            interrupted = True
    said = (*verdict.moved, *counter_runs.moved_counters(verdict, counted, by_row))
    return replace(verdict, moved=said), interrupted


def _unlike(names: tuple[str, str], commits: Sequence[str]) -> AlbError:
    if commits[0] == commits[1]:
        return AlbError(
            f"{names[0]} and {names[1]} are the same commit, {commits[0][:8]}: check out your branch in the history, "
            "or measure it against itself with --aa to see how noisy this machine is"
        )
    return AlbError(
        f"--aa measures a commit against itself, and {names[0]} ({commits[0][:8]}) and {names[1]} ({commits[1][:8]}) "
        "are two: name one, or leave --aa out"
    )
