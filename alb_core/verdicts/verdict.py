"""``alb verdict`` without its command line: two commits and a budget, or rounds that are recorded, to a verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.base.paths import environment_roots
from alb_core.rounds import canary
from alb_core.rounds.cases import STANDARD, check, selected
from alb_core.rounds.measure import Measured, measure
from alb_core.rounds.pairs import Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.session import Bench, blank, discovered, session
from alb_core.rounds.sides import Side, commits_of, dependencies, pair_of
from alb_core.verdicts import calibrated, counters
from alb_core.verdicts.counters import Counts, counted_by, counters_of
from alb_core.verdicts.judge import Judge, Verdict
from alb_core.verdicts.report import Context
from alb_core.verdicts.statistics import planned

#: Seconds that are spent where nothing else is asked for.
BUDGET = 600.0


@dataclass(frozen=True)
class Asked:
    """What is asked of a verdict."""

    #: Names of commits of the history.
    base: str = "main"
    head: str = "HEAD"
    #: Seconds to measure, builds and canary apart.
    budget: float = BUDGET
    #: Regular expressions of benchmarks; the standard ones by default.
    patterns: tuple[str, ...] = STANDARD
    #: Relative change that is called none below it; None for the calibration's, or the default.
    threshold: float | None = None
    #: Name; None for asv's own choice.
    machine: str | None = None
    #: Whether a commit may be measured against itself.
    same: bool = False
    #: Whether the canary looks first.
    look: bool = True
    #: Whether counters are looked at after the rounds.
    count: bool = False
    #: asv's attributes of benchmarks to override.
    attributes: Mapping[str, Any] | None = None


def run(asked: Asked) -> tuple[Verdict, Context]:
    """Measure two commits side by side and judge them."""
    check(asked.patterns)
    with session(asked.machine, environment_roots()) as (conf, repo, machine):
        known = calibrated.load(Path(conf.results_dir), machine)
        names = (asked.base, asked.base) if asked.same and asked.head == "HEAD" else (asked.base, asked.head)
        commits = commits_of(conf, repo, names)
        if (commits[0] == commits[1]) is not asked.same:
            raise _unlike(names, commits)
        base, head = pair_of(conf, names, commits)
        for side in (base, head):
            side.install(conf, repo)
        benchmarks = discovered(conf, repo, head)
        cases = selected(conf, benchmarks, asked.patterns)
        benchmarks.save()
        seen = canary.look(known.canary if known else None) if asked.look else None
        if seen is not None:
            print(f"alb: {seen.said}", file=sys.stderr)
        store = Store(Path(conf.results_dir), machine, blank(repo, head, machine), benchmarks, base.commit, head.commit)
        rounds = Rounds.of(cases)
        for case in cases:
            rounds.pairs[case] += store.pairs(case)
        recorded = sum(map(len, rounds.pairs.values()))
        judge = judge_of(asked.threshold, known)
        bench = Bench(conf, (base, head), benchmarks, store, dict(asked.attributes or {}))
        done = measure(bench, store, rounds, asked.budget, judge.still_open)
        verdict = judge.verdict(rounds)
        if not asked.same:
            verdict = replace(verdict, moved=(*verdict.moved, *dependencies(base, head)))
        if asked.count and not asked.same:
            verdict, done.interrupted = _with_causes(conf, (base, head), benchmarks, store, verdict, rounds, done)
    context = Context(
        base=base.name,
        head=head.name,
        base_commit=base.commit,
        head_commit=head.commit,
        machine=machine,
        seconds=done.seconds,
        budget=asked.budget,
        recorded=recorded,
        interrupted=done.interrupted,
        canary=seen,
        calibration=known,
    )
    return verdict, context


def judge_of(threshold: float | None, known: calibrated.Calibration | None) -> Judge:
    """Return the rule for a machine: what its calibration says is no change, and how many rounds it has to spend on."""
    if known is None:
        return Judge(threshold)
    return Judge(threshold, known.thresholds(), usual=planned(known.verdict_rounds))


def _with_causes(
    conf: Config,
    sides: tuple[Side, Side],
    benchmarks: Mapping[str, dict[str, Any]],
    store: Store,
    verdict: Verdict,
    rounds: Rounds,
    done: Measured,
) -> tuple[Verdict, bool]:
    """Say beside a verdict what the counters did; and whether the user ended it."""
    interrupted = done.interrupted
    by_row = counters_of(benchmarks, [case for case, pairs in rounds.pairs.items() if pairs])
    counted = Rounds.of([case for cases in by_row.values() for case in cases])
    for case in counted.pairs:
        counted.pairs[case] += store.pairs(case)
    if counted.pairs and not interrupted:
        try:
            counter = next(iter(counted.pairs)).benchmark
            Counts(counted_by(conf, sides, counter), store, counted, by_row).look(verdict)
        except KeyboardInterrupt:
            interrupted = True
    said = (*verdict.moved, *counters.told(verdict, counted, by_row))
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
