"""``alb campaign`` without its command line: releases, a budget and a number of rounds, to results of asv."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo
from asv.results import Results
from asv.util import UserError

from alb_core.asv_plugin import commands, machines
from alb_core.campaign import environments
from alb_core.campaign.grid import Grid
from alb_core.campaign.measure import Measured, Runner, measure
from alb_core.campaign.part import ROUNDS, STANDARD, chosen
from alb_core.errors import AlbError
from alb_core.history import lock, places
from alb_core.history.lock import Release
from alb_core.paths import suite_root
from alb_core.verdict.cases import Case, check, selected
from alb_core.verdict.engine import blank, discovered, session
from alb_core.verdict.sides import CouldNotMeasureError, Outcome, Side, spawners
from alb_core.verdict.store import CAMPAIGN, CommitResults, session_now

#: Seconds that are spent where nothing else is asked for: all releases on two cores.
BUDGET = 150 * 60.0


@dataclass(frozen=True)
class Asked:
    """What is asked of a campaign."""

    #: A range of releases (:func:`alb_core.campaign.part.chosen`).
    words: str = ".."
    #: Seconds, what is made and installed included.
    budget: float = BUDGET
    #: Rounds of a case of time.
    rounds: int = ROUNDS
    #: Regular expressions of benchmarks.
    patterns: tuple[str, ...] = STANDARD
    #: Name; None for asv's own choice.
    machine: str | None = None


@dataclass(frozen=True)
class Campaign:
    """Where a campaign stands."""

    #: Name.
    machine: str
    #: What there is and what is left.
    grid: Grid
    #: Releases without an environment; after a campaign, those that could not be installed.
    missing: Sequence[str]
    #: Seconds that were spent on installing.
    installing: float = 0.0
    #: How measuring went; None where only a plan was asked for.
    measured: Measured | None = None


def plan(asked: Asked) -> Campaign:
    """Say what a campaign would do, as far as results and the suite's list of benchmarks tell; nothing is changed."""
    with contextlib.chdir(suite_root()):
        machine, sides, keeper, cases = _recorded(asked)
        return Campaign(machine, keeper.grid(cases, asked.rounds), [side.name for side in sides if not side.installed])


def recorded(asked: Asked) -> dict[Case, dict[str, dict[tuple[int, int], tuple[float, ...]]]]:
    """Return the rounds that stand in a machine's results: samples by case, release (oldest first) and round."""
    with contextlib.chdir(suite_root()):
        machine, sides, keeper, cases = _recorded(asked)
    found = {
        case: {side.name: rounds for side in sides if (rounds := keeper.rounds(side.name, case))} for case in cases
    }
    if not any(found.values()):
        raise AlbError(
            f"machine {machine} has no rounds of a campaign: `alb campaign --machine {machine}` measures them"
        )
    return found


def _recorded(asked: Asked) -> tuple[str, list[Side], Keeper, list[Case]]:
    """The machine, the releases, what is kept of them, and the cases, by what lies on the disk; nothing is changed."""
    releases = _checked(asked)
    conf = Config.load("asv.conf.json")
    conf.results_dir = str(suite_root() / conf.results_dir)
    commands.place(conf)
    machine = asked.machine or machines.default_name()
    machines.check_name(machine)
    try:
        benchmarks = Benchmarks.load(conf)
    except UserError as error:
        raise AlbError(f"{conf.results_dir} has no list of benchmarks yet: `asv run --bench just-discover`") from error
    sides = environments.sides_of(conf, releases)
    environment = sides[0].environment

    def empty(commit: str) -> Results:
        requirements = environment.requirements
        params = {"machine": machine, "python": environment.python, **requirements}
        variables = environment.env_vars
        return Results(params, requirements, commit, 0, environment.python, environment.name, variables)

    keeper = Keeper(Path(conf.results_dir), machine, empty, benchmarks, sides)
    return machine, sides, keeper, selected(conf, benchmarks, asked.patterns)


def run(asked: Asked) -> Campaign:
    """Install what is missing, and measure until every case has its rounds or the budget is spent."""
    begun = time.monotonic()
    releases = _checked(asked)
    roots = [environments.root_of(release) for release in releases]
    with session(asked.machine, roots) as (conf, repo, machine):
        _require_releases()
        sides = environments.sides_of(conf, releases)
        missing = environments.make(conf, repo, sides)
        for version, reason in missing.items():
            print(f"alb: release {version} is left out: {reason}", file=sys.stderr)
        sides = [side for side in sides if side.name not in missing]
        benchmarks = _discovered(conf, repo, sides)
        cases = selected(conf, benchmarks, asked.patterns)
        benchmarks.save()
        installing = time.monotonic() - begun
        keeper = Keeper(Path(conf.results_dir), machine, blank(repo, sides[-1], machine), benchmarks, sides)
        grid = keeper.grid(cases, asked.rounds)
        bench = Bench(conf, sides, benchmarks)
        done = measure(bench, keeper, grid, asked.budget - installing, tell=_tell)
    return Campaign(machine, grid, [*missing], installing, done)


class Bench:
    """Runs cases at releases through asv's runner."""

    def __init__(self, conf: Config, sides: Sequence[Side], benchmarks: Mapping[str, dict[str, Any]]) -> None:
        self._conf, self._benchmarks = conf, benchmarks
        self._sides = {side.name: side for side in sides}

    @contextlib.contextmanager
    def visit(self, versions: Sequence[str]) -> Iterator[Runner]:
        """Begin with some releases, by new processes that those of their cases fork from; end them with the block."""
        sides = [self._sides[version] for version in versions]
        with spawners(sides, self._conf) as made:
            forks = dict(zip(versions, made, strict=True))

            def run(version: str, case: Case) -> Outcome:
                benchmark = {**self._benchmarks[case.benchmark]}
                if benchmark.get("timeout") is None:
                    benchmark["timeout"] = self._conf.default_benchmark_timeout
                outcome = self._sides[version].run(case, benchmark, forks[version], {})
                if outcome.said and not outcome.samples:
                    print(f"alb: {case.name} failed at release {version}:\n{outcome.said}", file=sys.stderr)
                return outcome

            yield run


class Keeper:
    """asv's results of all releases."""

    def __init__(
        self,
        results: Path,
        machine: str,
        empty: Callable[[str], Results],
        benchmarks: Mapping[str, dict[str, Any]],
        sides: Sequence[Side],
    ) -> None:
        self._session = session_now()
        self._results = {side.name: CommitResults(results, machine, empty(side.commit), benchmarks) for side in sides}

    def grid(self, cases: Sequence[Case], rounds: int) -> Grid:
        """Return what there is of some cases."""
        grid = Grid([*self._results], cases, rounds)
        for version, results in self._results.items():
            for case in cases:
                grid.counts[version, case] = sum(map(len, results.rounds(CAMPAIGN, case).values()))
                seconds = results.seconds(CAMPAIGN, case)
                if seconds is not None:
                    grid.cost[version, case] = seconds
                elif results.lacks(case):
                    grid.absent.add((version, case))
        return grid

    def rounds(self, version: str, case: Case) -> dict[tuple[int, int], tuple[float, ...]]:
        """Return a case's samples by session and number of the round; the number goes on over sessions."""
        sessions = self._results[version].rounds(CAMPAIGN, case)
        named = [(session, samples) for session, rounds in sessions.items() for samples in rounds]
        return {(session, number): samples for number, (session, samples) in enumerate(named)}

    def add(self, version: str, case: Case, samples: tuple[float, ...], started: datetime, seconds: float) -> None:
        """Append a round to a release's results and save them."""
        self._results[version].append(CAMPAIGN, self._session, case, samples, started, seconds)

    def add_lacking(self, version: str, case: Case, seconds: float) -> None:
        """Record that a release cannot do a case."""
        self._results[version].add_lacking(case, seconds)

    def add_failed(self, version: str, case: Case, said: str) -> None:
        """Record that a release failed in a case, unless it has results of it."""
        self._results[version].add_absent(case, None, said)


def _checked(asked: Asked) -> list[Release]:
    check(asked.patterns)
    if asked.rounds < 1:
        raise AlbError(f"--rounds is {asked.rounds}, expected 1 or more")
    return chosen(asked.words, lock.load())


def _discovered(conf: Config, repo: Repo, sides: Sequence[Side]) -> Benchmarks:
    """Let asv find the benchmarks under the newest release that can import them."""
    for side in reversed(sides[1:]):
        try:
            return discovered(conf, repo, side)
        except CouldNotMeasureError as error:
            _tell(str(error))
    return discovered(conf, repo, sides[0])


def _require_releases() -> None:
    shown = places.show()
    if not shown.is_release_history:
        raise AlbError(
            f"the history in use is {shown.path} ({shown.kind}), and a campaign measures releases: type "
            "`alb history releases` first, and `alb history use` or `clone` for yours again afterwards"
        )


def _tell(line: str) -> None:
    print(f"alb: {line}", file=sys.stderr, flush=True)
