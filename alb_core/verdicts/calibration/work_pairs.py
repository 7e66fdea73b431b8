"""Pairs of commits whose work is counted: of equal ones, some of them on a busy machine, and of known work.

Each commit is installed anew for its pair, as for a verdict, and counted once.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from asv.config import Config
from asv.repo import Repo

from alb_core.base.documents import Format
from alb_core.base.processes import Program
from alb_core.cases.instructions import Outcome
from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.work import side_by_side
from alb_core.verdicts.calibration.injected import NOTHING, WAITING, WORK_CHANGES
from alb_core.verdicts.work_changes import INTERPRETER, change_of

#: Busy processes of a pair under load.
LOAD = 8

#: A program that keeps a processor busy until it is ended.
_BUSY = "while True: pass"

#: How many pairs of each change and load there are of a round of all: of equal commits most, and of the change that is
#: to be found always more than of those that are larger, or too small.
SHARES = {
    **{(NOTHING, 0): 20, (NOTHING, LOAD): 2},
    **{(size, 0): 2 if size.startswith("1%") else 1 for size in (*WORK_CHANGES, WAITING)},
}


@dataclass(frozen=True)
class CountedCase:
    """What the commits of a pair took in a case."""

    #: asv's, of the benchmark.
    version: str
    #: Instructions.
    base: int
    head: int
    #: The function that took most of the difference, as a verdict names it; empty where none took much.
    named: str = ""

    @property
    def change(self) -> float:
        """Relative."""
        return self.head / self.base - 1


@dataclass(frozen=True)
class CountedPair:
    """A release (BASE) and a commit with an injected change, or the release again (HEAD)."""

    #: The release.
    commit: str
    #: Of the injected change.
    size: str
    #: Busy processes beside it.
    load: int
    counter: str
    #: When it ended, ISO 8601.
    ended: str
    #: By the row of a verdict.
    cases: dict[str, CountedCase]


@dataclass
class WorkPairs:
    """All pairs of a machine, oldest first."""

    pairs: list[CountedPair] = field(default_factory=list)


FORMAT = Format(WorkPairs, "counts of a calibration", ("version", 1), "move it away, and count again", indent=None)


def next_kind(pairs: Sequence[CountedPair]) -> tuple[str, int]:
    """Return the size and the load of the next pair: what is furthest behind its share, once each has one."""
    done = {kind: sum((pair.size, pair.load) == kind for pair in pairs) for kind in SHARES}
    return min(SHARES, key=lambda kind: done[kind] / SHARES[kind])


@dataclass
class PairCounter:
    """What counts pairs."""

    conf: Config
    repo: Repo
    #: The release, in the environment of a verdict's BASE.
    base: InstalledCommit
    #: By size of the change, all in the environment of a verdict's HEAD.
    heads: Mapping[str, InstalledCommit]
    #: By the row of a verdict.
    cases: Mapping[str, BenchmarkCase]
    #: asv's, by benchmark.
    versions: Mapping[str, str]
    #: Of the counter, with its version.
    name: str
    #: Keeps what is counted.
    file: Path

    def judged(self, known: WorkPairs) -> list[CountedPair]:
        """Return pairs of this release by this counter, their cases those of the present versions of the benchmarks."""
        versions = {row: self.versions[case.benchmark] for row, case in self.cases.items()}
        found = []
        for pair in known.pairs:
            cases = {row: case for row, case in pair.cases.items() if versions.get(row) == case.version}
            if cases and (pair.commit, pair.counter) == (self.base.commit, self.name):
                found.append(replace(pair, cases=cases))
        return found

    def run(self, known: WorkPairs, seconds: float) -> dict[str, str]:
        """Count pairs for so long, and keep each with those that are known; return what failed or is n/a, by row."""
        begun = time.monotonic()
        failures: dict[str, str] = {}
        took: dict[int, float] = {}
        while True:
            judged = self.judged(known)
            size, load = next_kind(judged)
            at = time.monotonic()
            # A pair that does not fit in the time is not begun.
            if at - begun + took.get(load, max(took.values(), default=0.0)) >= seconds:
                return failures
            beside = f", beside {load} busy processes" if load else ""
            what = "equal commits" if size == NOTHING else size
            print(f"alb: pair {len(judged) + 1}: {what}{beside}", file=sys.stderr, flush=True)
            pair = self._pair(size, load, failures)
            if not pair.cases:
                return failures
            known.pairs.append(pair)
            FORMAT.write(self.file, known)
            took[load] = time.monotonic() - at

    def _pair(self, size: str, load: int, failures: dict[str, str]) -> CountedPair:
        commits = self.base, self.heads[size]
        with ThreadPoolExecutor(len(commits)) as pool:
            list(pool.map(lambda commit: commit.install_again(self.conf, self.repo), commits))
        outcomes: dict[int, dict[BenchmarkCase, Outcome]] = {}
        with busy(load):
            for place, found, _ in side_by_side([(commit, list(self.cases.values())) for commit in commits]):
                outcomes[place] = found
        cases = {}
        for row, case in self.cases.items():
            base, head = (outcomes[place][case] for place in range(2))
            if base.work is None or head.work is None:
                failed = [f"failed on {size}: {each.failed.splitlines()[-1]}" for each in (base, head) if each.failed]
                failures[row] = (failed or [f"n/a on {size}"])[0]
            else:
                changes = change_of([base.work], [head.work]).functions
                named = next((each.name for each in changes if each.name != INTERPRETER), "")
                version = self.versions[case.benchmark]
                cases[row] = CountedCase(version, base.work.instructions, head.work.instructions, named)
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        return CountedPair(self.base.commit, size, load, self.name, ended, cases)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many processes busy within a block."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(Program([sys.executable, "-I", "-S", "-c", _BUSY]))
        yield
