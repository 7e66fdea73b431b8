"""``alb campaign`` without its command line: releases, a budget and a number of rounds, to results of asv.

What a campaign prints.
"""

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

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.commits.history import active, releases_lock
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds import prepare
from alb_core.rounds import sides as sides_module
from alb_core.rounds.campaign_rounds import Measured, Runner, in_words, measure, said_left
from alb_core.rounds.cases import Case, Kind, check, selected
from alb_core.rounds.results import machines
from alb_core.rounds.results.store import CAMPAIGN, CommitResults, session_now
from alb_core.rounds.schedule import Grid
from alb_core.rounds.selections import ROUNDS, STANDARD, chosen, wanted
from alb_core.rounds.session import blank, discovered, session
from alb_core.rounds.sides import CouldNotMeasureError, Outcome, Side, spawners
from alb_core.verdicts.change_points import Line, Step


def lines(campaign: Campaign) -> Iterator[str]:
    """Yield where a campaign stands, or what one would do."""
    grid = campaign.grid
    first, last = (grid.versions[0], grid.versions[-1]) if grid.versions else ("none", "none")
    yield f"machine    {campaign.machine}"
    yield f"releases   {len(grid.versions)}, {first} to {last}"
    for count in sorted({wanted(case, grid.rounds) for case in grid.cases}, reverse=True):
        cases = [case for case in grid.cases if wanted(case, grid.rounds) == count]
        fewest, most = grid.spread(cases)
        there = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        kinds = " and ".join(sorted({case.kind.value for case in cases}, reverse=True))
        yield f"rounds     {there} of {count} for each of {len(cases)} benchmarks of {kinds}"
    if campaign.measured is None:
        if campaign.missing:
            yield f"to install {len(campaign.missing)} releases, on top of that"
    else:
        done = campaign.measured
        yield (
            f"this call  {done.processes:,} processes in {in_words(done.seconds)}, "
            f"after {in_words(campaign.installing)} of installing"
        )
        for version in campaign.missing:
            yield f"left out   {version}, which cannot be installed (above)"
    for version, reason in grid.out.items():
        yield f"left out   {version}: {reason}"
    absent = sorted({case.name for _, case in grid.absent})
    for name in absent:
        versions = [version for version, case in grid.absent if case.name == name]
        yield f"n/a        {name} at {len(versions)} releases"
    for (version, case), reason in grid.failures.items():
        yield f"failed     {case.name} at {version}: {reason}"
    again = "" if campaign.measured is None or not grid.left().processes else "; the same command goes on"
    yield f"left       {said_left(grid)}{again}"


def history(found: Sequence[Line]) -> Iterator[str]:
    """Yield the steps of all cases by release, then the noise of each case."""
    steps = [step for line in found for step in line.steps]
    releases = list(dict.fromkeys(release.version for release in releases_lock.load()))
    for step in sorted(steps, key=lambda step: releases.index(step.version)):
        interval = f"{_change(step, step.change)} ({_change(step, step.low)} to {_change(step, step.high)})"
        levels = f"{_level(step, step.old)} -> {_level(step, step.new)}"
        yield f"{step.version:8} {step.case.name}: {interval}, {levels}, since {step.before}"
    if not steps:
        yield "no step over the noise"
    for line in found:
        noise = _bytes(line.noise) if line.case.kind is Kind.COUNT else f"{line.noise:.1%}"
        yield f"noise    {line.case.name}: {noise} a round, {line.rounds} rounds or more"


def _change(step: Step, value: float) -> str:
    return _bytes(value, "+") if step.case.kind is Kind.COUNT else f"{value:+.1%}"


def _level(step: Step, value: float) -> str:
    return f"{value:.3g} s" if step.case.kind is Kind.TIME else _bytes(value)


def _bytes(value: float, sign: str = "") -> str:
    return f"{value / 2**20:{sign}.3g} MiB"


def exit_status(campaign: Campaign) -> int:
    """Return 0, 1 where something failed, 3 where nothing could be measured, 130 where the user ended it."""
    if campaign.measured is None:
        return 0
    if campaign.measured.interrupted:
        return 130
    if not any(campaign.grid.counts.values()):
        return 3
    return 1 if campaign.grid.failures or campaign.grid.out or campaign.missing else 0


#: Seconds that are spent where nothing else is asked for: all releases on two cores.
BUDGET = 150 * 60.0


@dataclass(frozen=True)
class Asked:
    """What is asked of a campaign."""

    #: A range of releases (:func:`alb_core.rounds.selections.chosen`).
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
    prepare.place(conf)
    machine = asked.machine or machines.default_name()
    machines.check_name(machine)
    try:
        benchmarks = Benchmarks.load(conf)
    except UserError as error:
        raise AlbError(f"{conf.results_dir} has no list of benchmarks yet: `asv run --bench just-discover`") from error
    sides = sides_module.sides_of(conf, releases)
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
    roots = [sides_module.root_of(release) for release in releases]
    with session(asked.machine, roots) as (conf, repo, machine):
        _require_releases()
        sides = sides_module.sides_of(conf, releases)
        missing = sides_module.make(conf, repo, sides)
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
    return chosen(asked.words, releases_lock.load())


def _discovered(conf: Config, repo: Repo, sides: Sequence[Side]) -> Benchmarks:
    """Let asv find the benchmarks under the newest release that can import them."""
    for side in reversed(sides[1:]):
        try:
            return discovered(conf, repo, side)
        except CouldNotMeasureError as error:
            _tell(str(error))
    return discovered(conf, repo, sides[0])


def _require_releases() -> None:
    shown = active.show()
    if not shown.is_release_history:
        raise AlbError(
            f"the history in use is {shown.path} ({shown.kind}), and a campaign measures releases: type "
            "`alb history releases` first, and `alb history use` or `clone` for yours again afterwards"
        )


def _tell(line: str) -> None:
    print(f"alb: {line}", file=sys.stderr, flush=True)
