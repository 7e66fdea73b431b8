"""``alb verdict`` without its command line: two commits and a budget, or what is recorded, to a verdict.

Work is counted first. What the clock has to do then, rounds do; counters of TileDB say beside it what moved.
"""

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
from alb_core.base.processes import variable_set
from alb_core.cases import epoch_seconds
from alb_core.cases.counter import Counter
from alb_core.commits.builds.given import GivenBuild
from alb_core.commits.history import releases
from alb_core.rounds import canary
from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import (
    InstalledCommit,
    base_and_head,
    built_otherwise,
    compiled_here,
    dependencies,
)
from alb_core.rounds.measure import MeasuringSummary, measure
from alb_core.rounds.measuring_session import discovered, empty_results, session
from alb_core.rounds.pairs import Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.schedules import BASE, HEAD, PairSchedule
from alb_core.rounds.selections import VERDICT, check, counted, matched, require_some
from alb_core.rounds.work import WorkStore, count, counter_for
from alb_core.verdicts import calibration_file, counter_runs
from alb_core.verdicts.counter_runs import CounterRuns, counted_by, counters_of
from alb_core.verdicts.judge import WORK_THRESHOLD, Judge, Verdict
from alb_core.verdicts.statistics import Word, planned
from alb_core.verdicts.verdict_text import Context
from alb_core.verdicts.work_changes import NOT_COUNTED, ComparedWork
from alb_core.verdicts.work_runs import compared_work, recorded_work

#: Rounds in which waiting is usually excluded; where it is not, the canary says why that may be.
FIRST_ROUNDS = 6


@dataclass(frozen=True)
class VerdictRequest:
    """What is asked of a verdict."""

    #: Names of commits of the history.
    base: str = "main"
    head: str = "HEAD"
    #: What is asked for: ``work``, ``time`` (and memory), or ``all``.
    by: str = "all"
    #: Seconds to measure by the clock; builds and counts apart.
    budget: float = 600.0
    #: Regular expressions of benchmarks; the standard ones by default.
    patterns: tuple[str, ...] = VERDICT.patterns
    #: Relative change that is called none below it; None for the calibration's, or the default.
    threshold: float | None = None
    #: Name; None for asv's own choice.
    machine: str | None = None
    #: Builds that stand for BASE and HEAD, whatever the names.
    builds: tuple[GivenBuild | None, GivenBuild | None] = (None, None)
    #: Whether commits are compiled here, though releases may have their libraries.
    from_source: bool = False
    #: Whether a commit may be measured against itself.
    same: bool = False
    run_canary: bool = True
    run_counters: bool = False
    #: asv's attributes of benchmarks to override.
    attributes: Mapping[str, Any] | None = None


def run(request: VerdictRequest) -> tuple[Verdict, Context]:
    """Measure two commits side by side and judge them."""
    check(request.patterns)
    named = zip((request.base, request.head), request.builds, strict=True)
    releases.commits_of([name for name, build in named if build is None])
    with session(request.machine, environment_roots()) as (conf, repo, machine):
        known = calibration_file.load(Path(conf.results_dir), machine)
        names = (request.base, request.base if request.same and request.head == "HEAD" else request.head)
        wanted = [
            releases.commits_of([name])[0] if build is None else build.digest
            for name, build in zip(names, request.builds, strict=True)
        ]
        if (wanted[0] == wanted[1]) is not request.same:
            raise _unlike(names, wanted)
        counter = counter_for(request.by)
        builds = list(request.builds)
        if request.from_source:
            builds = [
                build or compiled_here(conf, name, commit)
                for build, name, commit in zip(builds, names, wanted, strict=True)
            ]
        base, head = base_and_head(conf, repo, names, wanted, builds)
        benchmarks = discovered(conf, repo, head)
        counts = counted(conf, benchmarks, request.patterns, counter.kind) if counter else {}
        cases = [] if request.by == "work" else matched(conf, benchmarks, request.patterns)
        require_some([*counts, *cases], benchmarks, request.patterns, request.by)
        benchmarks.save()
        empty = empty_results(repo, head.environment, machine)
        judge = judge_of(request.threshold, known, counter)
        work, done = NOT_COUNTED, MeasuringSummary()
        if counter and counts:
            kept = WorkStore(Path(conf.results_dir), machine, empty, benchmarks, counter)
            work, done.interrupted = _work((base, head), counts, kept, judge, request.by)
        store = Store(Path(conf.results_dir), machine, empty, benchmarks, (base.commit, head.commit))
        rounds = Rounds({case: store.pairs(base.commit, head.commit, case) for case in cases})
        recorded = sum(map(len, rounds.pairs.values()))
        schedule = PairSchedule(rounds, partial(judge.still_open, work=work), request.budget)
        watch = Watch(known.canary if known else None, request.run_canary)
        if not done.interrupted:
            times = [case for case in judge.still_open(rounds, work) if case.kind is Kind.TIME]
            if not all(judge.only_for_waiting(case, work) for case in times):
                watch.look()
            bench = Bench(conf, {BASE: base, HEAD: head}, benchmarks, request.attributes)
            keep = partial(store.keep_pair, base.commit, head.commit)
            with variable_set(epoch_seconds.VARIABLE, "1"):
                done = measure(bench, schedule, keep, request.budget, before_group=watch.before_round)
        for side in (base, head):
            side.require_unchanged()
        if not done.interrupted:
            schedule.require_one_round(done.seconds, request.budget)
        verdict = judge.verdict(rounds, work)
        if not request.same:
            verdict = replace(verdict, moved=(*verdict.moved, *dependencies(base, head), *built_otherwise(base, head)))
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
        base_build=base.build_said,
        head_build=head.build_said,
        canary=watch.seen,
        calibration=known,
    )
    return verdict, context


class Watch:
    """Tells of rounds, and looks how noisy the machine is where the clock is asked more than whether a case waits."""

    def __init__(self, expected: Mapping[str, float] | None, asked: bool) -> None:
        self._expected, self._asked = expected, asked
        #: What the canary saw; None where nobody looked.
        self.seen: canary.Canary | None = None

    def look(self) -> None:
        """Look, unless nobody asks for it or it was done."""
        if self._asked and self.seen is None:
            self.seen = canary.look(self._expected)
            print(f"alb: {self.seen.said}", file=sys.stderr)

    def before_round(self, number: int) -> None:
        """Say in a pipe which round comes; a terminal has a bar."""
        if number >= FIRST_ROUNDS:
            self.look()
        if not sys.stderr.isatty():
            print(f"alb: round {number + 1}", file=sys.stderr, flush=True)


def _work(
    commits: tuple[InstalledCommit, InstalledCommit],
    cases: Mapping[BenchmarkCase, BenchmarkCase],
    store: WorkStore,
    judge: Judge,
    by: str,
) -> tuple[ComparedWork, bool]:
    """Count and compare; and whether the user ended it."""
    try:
        return compared_work(
            commits,
            cases,
            lambda some, what, runs: count(some, what, store, runs=runs),
            lambda change: judge.work_word(change) is not Word.SAME,
        ), False
    except KeyboardInterrupt:
        return recorded_work(commits, cases, store), True
    except AlbError as error:
        if by == "work":
            raise
        rows = {timed.row: str(error) for timed in cases.values()}
        return ComparedWork(notes=rows, failed=frozenset(rows)), False


def judge_of(
    threshold: float | None, known: calibration_file.Calibration | None, counter: Counter | None = None
) -> Judge:
    """Return the rule for a machine: what its calibration says is no change, and how many rounds it has to spend on."""
    if known is None:
        return Judge(threshold)
    work = known.work_by(counter.name) if counter is not None else None
    return Judge(
        threshold, known.thresholds(), work.threshold if work else WORK_THRESHOLD, usual=planned(known.verdict_rounds)
    )


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
    runs = Rounds({case: store.pairs(base, head, case) for cases in by_row.values() for case in cases})
    if runs.pairs and not interrupted:
        try:
            tiledb = counted_by(conf, commits, next(iter(runs.pairs)).benchmark)
            CounterRuns(tiledb, partial(store.add_pair, base, head), runs, by_row).run(verdict)
        except KeyboardInterrupt:
            interrupted = True
    said = (*verdict.moved, *counter_runs.moved_counters(verdict, runs, by_row))
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
