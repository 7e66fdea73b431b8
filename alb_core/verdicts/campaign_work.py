"""The work of releases: each counted once, and what is recorded of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alb_core.cases.work import Work
from alb_core.rounds import work
from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.release_schedule import duration_in_words
from alb_core.rounds.work import CommitWork, WorkStore


@dataclass
class ReleaseWork:
    """Where counting releases stands."""

    #: With its version.
    counter: str
    #: Cases that are counted, and the benchmark of time that each counts.
    cases: Mapping[BenchmarkCase, BenchmarkCase]
    #: By release, oldest first.
    known: dict[str, CommitWork]
    #: Releases that this call counted, and in how many seconds; none where only a plan was asked for.
    counted: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def some(self) -> bool:
        """Whether there is any count."""
        return any(known.works for known in self.known.values())

    @property
    def left(self) -> list[str]:
        """Releases that lack a count."""
        return [version for version, known in self.known.items() if known.missing([*self.cases])]

    @property
    def failures(self) -> list[tuple[str, BenchmarkCase, str]]:
        """Release, case and why, of what failed in this call; it is tried again by the next one."""
        return [
            (version, case, why.strip().splitlines()[-1])
            for version, known in self.known.items()
            for case, why in known.failures.items()
        ]


def recorded(
    releases: Sequence[InstalledCommit], cases: Mapping[BenchmarkCase, BenchmarkCase], store: WorkStore
) -> ReleaseWork:
    """Return what stands in a machine's results."""
    return ReleaseWork(store.counter.name, cases, {release.name: store.of(release.commit) for release in releases})


def count(
    releases: Sequence[InstalledCommit],
    cases: Mapping[BenchmarkCase, BenchmarkCase],
    store: WorkStore,
    budget: float,
) -> ReleaseWork:
    """Count what is missing, as many releases at a time as there are CPUs; none is begun when the budget is spent."""
    found, begun = recorded(releases, cases, store), time.monotonic()
    before = found.left
    failed: dict[str, CommitWork] = {}
    try:
        failed = work.count(releases, [*cases], store, budget=budget)
    except KeyboardInterrupt:
        found.interrupted = True
    found.known = {each.name: failed.get(each.commit) or store.of(each.commit) for each in releases}
    found.seconds = time.monotonic() - begun
    found.counted = [version for version in before if version not in found.left]
    return found


def works_by_row(found: ReleaseWork) -> dict[str, dict[str, list[Work]]]:
    """Return the counts of each row by release, oldest first, for :func:`~alb_core.verdicts.work_steps.work_steps`."""
    return {
        timed.row: {version: known.works[case] for version, known in found.known.items() if known.works.get(case)}
        for case, timed in found.cases.items()
    }


def lines(found: ReleaseWork) -> Iterator[str]:
    """Yield where counting stands, or what it would do."""
    there = len(found.known) - len(found.left)
    yield f"work       {there} of {len(found.known)} releases are counted, {len(found.cases)} cases each"
    yield f"counter    {found.counter}"
    if found.counted:
        yield f"this call  {len(found.counted)} releases counted in {duration_in_words(found.seconds)}"
    for case, timed in found.cases.items():
        versions = [version for version, known in found.known.items() if case in known.absent]
        if versions:
            yield f"n/a        {timed.row} at {len(versions)} releases"
    for version, case, why in found.failures:
        yield f"failed     {found.cases[case].row} at {version}: {why}"
    left = f"{len(found.left)} releases to count: {', '.join(found.left)}" if found.left else "nothing is left to count"
    yield f"left       {left}"
