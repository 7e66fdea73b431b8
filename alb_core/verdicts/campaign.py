"""``alb campaign`` without its command line: releases, a budget and a number of rounds, to results of asv."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo
from asv.results import Results
from asv.util import UserError

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.base.pythons import measured
from alb_core.cases.counter import Counter
from alb_core.cases.work import Work
from alb_core.commits.builds.wheels import installable
from alb_core.commits.history import active, releases_lock
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds import prepare
from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.installed_commits import (
    CouldNotMeasureError,
    InstalledCommit,
    install_releases,
    release_commits,
    release_root,
)
from alb_core.rounds.measure import MeasuringSummary, measure
from alb_core.rounds.measuring_session import discovered, empty_results, session
from alb_core.rounds.release_schedule import ROUNDS, ReleaseSchedule
from alb_core.rounds.results import machines
from alb_core.rounds.results.store import CAMPAIGN, Store
from alb_core.rounds.results.valid import benchmarks_of
from alb_core.rounds.schedules import TurnResult
from alb_core.rounds.selections import CAMPAIGN as PROFILE
from alb_core.rounds.selections import check, counted, matched, require_some, selected
from alb_core.rounds.work import WorkStore, counter_for, recorded_counter
from alb_core.verdicts import campaign_work
from alb_core.verdicts.campaign_work import ReleaseWork


@dataclass(frozen=True)
class CampaignRequest:
    """What is asked of a campaign."""

    #: A range of releases (:func:`releases_in`).
    releases: str = ".."
    #: Seconds, what is made and installed included.
    budget: float = 150 * 60.0
    #: Rounds of a case of time.
    rounds: int = ROUNDS
    patterns: tuple[str, ...] = PROFILE.patterns
    #: Name; None for asv's own choice.
    machine: str | None = None
    #: ``work``, ``time`` or ``all``: releases are counted, measured, or both.
    by: str = "all"
    #: Which part of how many, counted from 1: every n-th release, beginning with the k-th.
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Campaign:
    """Where a campaign stands."""

    machine: str
    #: Names, oldest first.
    releases: Sequence[str]
    #: Rounds; None where work alone was asked for.
    schedule: ReleaseSchedule | None
    #: Counts; None where nothing is counted.
    work: ReleaseWork | None
    #: Releases without an environment; after a campaign, those that could not be installed.
    missing: Sequence[str]
    #: Seconds that were spent on installing.
    installing: float = 0.0
    #: How measuring went; None where no round was asked for.
    measured: MeasuringSummary | None = None
    #: Whether this was more than a plan.
    ran: bool = False

    @property
    def exit_status(self) -> int:
        """0, 1 where something failed, 3 where nothing could be measured, 130 where the user ended it."""
        if not self.ran:
            return 0
        rounds, work = self.schedule, self.work
        if (self.measured and self.measured.interrupted) or (work and work.interrupted):
            return 130
        if not (rounds and any(rounds.counts.values())) and not (work and work.some):
            return 3
        failed = (rounds and (rounds.failures or rounds.unusable)) or (work and work.failures)
        return 1 if failed or self.missing else 0


#: Samples of a case by release, oldest first, and by round: session and number, the same for what was measured in one
#: go. The number goes on over sessions.
CaseHistory = dict[str, dict[tuple[int, int], tuple[float, ...]]]


def plan(request: CampaignRequest) -> Campaign:
    """Say what a campaign would do, as far as results and the suite's list of benchmarks tell; nothing is changed."""
    with contextlib.chdir(suite_root()):
        known, counter = _Recorded.of(request, _checked(request, here=True)), counter_for(request.by)
        missing = [release.name for release in known.releases if not release.installed]
        names = [release.name for release in known.releases]
        rounds = None if request.by == "work" else schedule_of(known.store, known.releases, known.cases, request.rounds)
        return Campaign(known.machine, names, rounds, known.work(counter) if counter else None, missing)


def recorded(request: CampaignRequest) -> dict[BenchmarkCase, CaseHistory]:
    """Return the rounds that stand in a machine's results."""
    with contextlib.chdir(suite_root()):
        known = _Recorded.of(request, _checked(request))
    found: dict[BenchmarkCase, CaseHistory] = {case: {} for case in known.cases}
    for case, by_version in found.items():
        for release in known.releases:
            sessions = known.store.of(release.commit).rounds(CAMPAIGN, case)
            named = [(session, samples) for session, rounds in sessions.items() for samples in rounds]
            if named:
                by_version[release.name] = {(at, number): samples for number, (at, samples) in enumerate(named)}
    return found


def recorded_work(request: CampaignRequest) -> dict[str, dict[str, list[Work]]]:
    """Return the counts that stand in a machine's results, by row and release."""
    with contextlib.chdir(suite_root()):
        known = _Recorded.of(request, _checked(request))
        counter = recorded_counter(Path(known.conf.results_dir), known.machine)
        return campaign_work.works_by_row(known.work(counter)) if counter else {}


def require_recorded(request: CampaignRequest, found: Sequence[object]) -> None:
    """Refuse results in which nothing stands."""
    if not any(found):
        machine = machines.default_name() if request.machine is None else request.machine
        raise AlbError(
            f"machine {machine} has no rounds or counts of a campaign: `alb campaign --machine {machine}` makes them"
        )


@dataclass(frozen=True)
class _Recorded:
    """The machine, the releases, their results, and the cases, by what lies on the disk; nothing is changed."""

    conf: Config
    machine: str
    releases: list[InstalledCommit]
    benchmarks: Benchmarks
    empty: Callable[[str], Results]
    request: CampaignRequest

    @classmethod
    def of(cls, request: CampaignRequest, chosen: Sequence[Release]) -> _Recorded:
        """Look at the disk."""
        conf = Config.load("asv.conf.json")
        conf.results_dir = str(suite_root() / conf.results_dir)
        prepare.place(conf)
        machine = machines.default_name() if request.machine is None else request.machine
        machines.check_name(machine)
        # A damaged machine.json is refused now, as it would be by what measures.
        machines.registered(Path(conf.results_dir), machine)
        if Path(Benchmarks.get_benchmark_file_path(conf.results_dir)).exists():
            benchmarks_of(Path(conf.results_dir))
        try:
            benchmarks = Benchmarks.load(conf)
        except UserError as error:
            raise AlbError(
                f"{conf.results_dir} has no list of benchmarks yet: `asv run --bench just-discover`"
            ) from error
        releases = release_commits(conf, chosen)
        environment = releases[0].environment

        def empty(commit: str) -> Results:
            requirements = environment.requirements
            params = {"machine": machine, "python": environment.python, **requirements}
            variables = environment.env_vars
            return Results(params, requirements, commit, 0, environment.python, environment.name, variables)

        return cls(conf, machine, releases, benchmarks, empty, request)

    @property
    def store(self) -> Store:
        """asv's results."""
        commits = [release.commit for release in self.releases]
        return Store(Path(self.conf.results_dir), self.machine, self.empty, self.benchmarks, commits)

    @property
    def cases(self) -> list[BenchmarkCase]:
        """Cases of rounds."""
        return selected(self.conf, self.benchmarks, self.request.patterns)

    def work(self, counter: Counter) -> ReleaseWork:
        """What a counter counted."""
        store = WorkStore(Path(self.conf.results_dir), self.machine, self.empty, self.benchmarks, counter)
        cases = counted(self.conf, self.benchmarks, self.request.patterns, counter.kind)
        return campaign_work.recorded(self.releases, cases, store)


def run(request: CampaignRequest) -> Campaign:
    """Install what is missing, count, and measure until every case has its rounds or the budget is spent."""
    begun = time.monotonic()
    chosen, counter = _checked(request, here=True), counter_for(request.by)
    with session(request.machine, [release_root(release) for release in chosen]) as (conf, repo, machine):
        _require_releases()
        releases = release_commits(conf, chosen)
        missing = install_releases(conf, repo, releases)
        for version, reason in missing.items():
            print(f"alb: release {version} is left out: {reason}", file=sys.stderr)
        releases = [release for release in releases if release.name not in missing]
        benchmarks = _discovered(conf, repo, releases)
        counts = counted(conf, benchmarks, request.patterns, counter.kind) if counter else {}
        cases = [] if request.by == "work" else matched(conf, benchmarks, request.patterns)
        require_some([*counts, *cases], benchmarks, request.patterns, request.by)
        benchmarks.save()
        installing = time.monotonic() - begun
        by_version = {release.name: release for release in releases}
        empty = empty_results(repo, releases[-1].environment, machine)
        work = schedule = done = None
        if counter and counts:
            works = WorkStore(Path(conf.results_dir), machine, empty, benchmarks, counter)
            work = campaign_work.count(releases, counts, works, request.budget - installing)
        if cases:
            store = Store(Path(conf.results_dir), machine, empty, benchmarks, [release.commit for release in releases])
            schedule = schedule_of(store, releases, cases, request.rounds)

            def keep(result: TurnResult) -> None:
                store.keep_campaign(by_version[result.turn.commits[0]].commit, result)

            if not (work and work.interrupted):
                left = request.budget - (time.monotonic() - begun)
                done = measure(Bench(conf, by_version, benchmarks), schedule, keep, left)
    return Campaign(machine, [*by_version], schedule, work, [*missing], installing, done, ran=True)


def schedule_of(
    store: Store, releases: Sequence[InstalledCommit], cases: Sequence[BenchmarkCase], rounds: int
) -> ReleaseSchedule:
    """Return the rounds of releases, of which the store has some already."""
    schedule = ReleaseSchedule([release.name for release in releases], cases, rounds)
    for release in releases:
        results = store.of(release.commit)
        for case in cases:
            place = (release.name, case)
            schedule.counts[place] = sum(map(len, results.rounds(CAMPAIGN, case).values()))
            seconds = results.seconds(CAMPAIGN, case)
            if seconds is not None:
                schedule.cost[place] = seconds
            elif results.lacks(case):
                schedule.absent.add(place)
    return schedule


def releases_in(words: str, releases: Sequence[Release]) -> list[Release]:
    """Return the releases of a range, oldest first."""
    first, dots, last = words.strip().partition("..")
    order = list(releases)
    if not dots:
        return [releases_lock.find(order, first)]
    low = order.index(releases_lock.find(order, first)) if first else 0
    high = order.index(releases_lock.find(order, last)) if last else len(order) - 1
    if low > high:
        raise AlbError(f"the range {words!r} is empty: {first} is newer than {last}, so type {last}..{first}")
    return order[low : high + 1]


def _checked(request: CampaignRequest, here: bool = False) -> list[Release]:
    """Return the releases that are asked for; ``here``: of which this machine can measure."""
    check(request.patterns)
    if request.rounds < 1:
        raise AlbError(f"--rounds is {request.rounds}, expected 1 or more")
    releases = releases_in(request.releases, releases_lock.load())
    if here:
        releases = _with_wheels(releases)
    part, parts = request.shard
    if parts > 1 and request.by != "work":
        raise AlbError(f"--shard {part}/{parts} splits counts, and not measurements of time: add --by work")
    if part > len(releases):
        raise AlbError(f"--shard {part}/{parts} is empty: there are {len(releases)} releases, so name no more parts")
    return releases[part - 1 :: parts]


def _with_wheels(releases: Sequence[Release]) -> list[Release]:
    """Return the releases that have wheels here, and say which have none."""
    found = installable(releases)
    lacking = [release.version for release in releases if release not in found]
    if lacking:
        named = f"{lacking[0]} to {lacking[-1]}" if lacking[1:] else lacking[0]
        said = f"{named} ({len(lacking)} of {len(releases)}): no wheels for Python {measured()} on this platform"
        if not found:
            raise AlbError(f"nothing can be measured of {said}")
        print(f"alb: n/a are {said}", file=sys.stderr)
    return found


def _discovered(conf: Config, repo: Repo, releases: Sequence[InstalledCommit]) -> Benchmarks:
    """Let asv find the benchmarks under the newest release that can import them."""
    for release in reversed(releases[1:]):
        try:
            return discovered(conf, repo, release)
        except CouldNotMeasureError as error:
            print(f"alb: {error}", file=sys.stderr, flush=True)
    return discovered(conf, repo, releases[0])


def _require_releases() -> None:
    shown = active.show()
    if shown.kind != active.RELEASES:
        raise AlbError(
            f"the history in use is {shown.path} ({shown.kind}), and a campaign measures releases: type "
            "`alb history releases` first, and `alb history use` or `clone` for yours again afterwards"
        )
