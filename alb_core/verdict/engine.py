"""``alb verdict`` without its command line: two commits and a budget, or rounds that are recorded, to a verdict."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.repo import Repo, get_repo
from asv.results import Results
from asv.runner import Spawner

from alb_core.asv_plugin import commands, machines, versions
from alb_core.errors import AlbError
from alb_core.locks import locked
from alb_core.paths import data_root, environment_roots, suite_root
from alb_core.verdict import calibration, canary, causes
from alb_core.verdict.cases import STANDARD, Case, check, selected
from alb_core.verdict.counting import Counts, counted_by, counters_of
from alb_core.verdict.judge import Judge, Verdict
from alb_core.verdict.measure import Measured, measure
from alb_core.verdict.report import Context
from alb_core.verdict.rounds import Rounds
from alb_core.verdict.sides import CouldNotMeasureError, Outcome, Side, commits_of, dependencies, pair_of, spawners
from alb_core.verdict.statistics import planned
from alb_core.verdict.store import Store

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
        known = calibration.load(Path(conf.results_dir), machine)
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


def judge_of(threshold: float | None, known: calibration.Calibration | None) -> Judge:
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
    said = (*verdict.moved, *causes.told(verdict, counted, by_row))
    return replace(verdict, moved=said), interrupted


class Bench:
    """Runs cases on both sides through asv's runner."""

    def __init__(
        self,
        conf: Config,
        sides: Sequence[Side],
        benchmarks: Mapping[str, dict[str, Any]],
        store: Store,
        attributes: dict[str, Any],
    ) -> None:
        self._conf, self._sides, self._benchmarks, self._store = conf, sides, benchmarks, store
        self._attributes = attributes
        self._stack = contextlib.ExitStack()
        self._spawners: list[Spawner] = []

    def open(self) -> None:
        """Begin a round with new processes to fork from."""
        self._spawners = self._stack.enter_context(spawners(self._sides, self._conf))

    def share(self, opened: Sequence[Spawner]) -> None:
        """Begin a round with processes, one for each side, that somebody else ends."""
        self._spawners = list(opened)

    def close(self) -> None:
        """End them."""
        self._stack.close()

    def run(self, case: Case, base_first: bool) -> tuple[Outcome, Outcome]:
        """Run a case once on each side, a process each."""
        benchmark = {**self._benchmarks[case.benchmark]}
        if benchmark.get("timeout") is None:
            benchmark["timeout"] = self._conf.default_benchmark_timeout
        found: dict[str, Outcome] = {}
        order = (0, 1) if base_first else (1, 0)
        for place in order:
            side = self._sides[place]
            outcome = side.run(case, benchmark, self._spawners[place], self._attributes)
            found[side.label] = outcome
            if not outcome.samples:
                value = float("nan") if outcome.absent else None
                self._store.add_absent(side.commit, case, value, outcome.said)
                if outcome.said:
                    print(f"alb: {case.name} failed on {side.label}:\n{outcome.said}", file=sys.stderr)
        return found["BASE"], found["HEAD"]


@contextlib.contextmanager
def session(name: str | None, roots: Iterable[Path]) -> Iterator[tuple[Config, Repo, str]]:
    """What asv's own measuring commands have: dataset, history, machine, the only measurement that runs."""
    with contextlib.chdir(suite_root()):
        commands.install()
        conf = Config.load("asv.conf.json")
        conf.results_dir = str(suite_root() / conf.results_dir)
        commands.place(conf)
        commands.ready()
        commands.steady()
        stop_like_interrupt()
        machine = machines.settle(Path(conf.results_dir), name)
        Machine.load(machine_name=machine).save(conf.results_dir)
        with locked(data_root() / ".measuring.lock", "it measures"), versions.recorded(*roots):
            yield conf, get_repo(conf), machine


def stop_like_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what it started ends, and what it measured is told."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


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


def discovered(conf: Config, repo: Repo, side: Side) -> Benchmarks:
    """Let asv find the benchmarks."""
    try:
        found = Benchmarks.discover(conf, repo, [side.environment], [side.commit])
    except util.UserError as error:
        if "Interrupted" in str(error):
            raise KeyboardInterrupt from error
        found = None
    if found is None or not side.installed:
        raise CouldNotMeasureError(
            f"the benchmarks cannot be imported under {side.label} {side.name} ({side.commit[:8]}): see above"
        )
    return found


def blank(repo: Repo, side: Side, machine: str) -> Callable[[str], Results]:
    """Return what makes empty results of a commit, with the parameters that ``asv run`` would write."""
    environment = side.environment
    hardware = Machine.load(machine_name=machine).__dict__

    def made(commit: str) -> Results:
        parameters = {**hardware, "python": environment.python, **environment.requirements}
        return Results(
            parameters,
            environment.requirements,
            commit,
            repo.get_date(commit),
            environment.python,
            environment.name,
            environment.env_vars,
        )

    return made
