"""Work of commits: counted once each, as many commits at a time as there are CPUs, and kept beside asv's results.

asv's own file of a commit has the number (``track_instructions``). The functions that it is of stand in a file of the
same name in the directory ``work``, which asv does not look into. Files of several machines of one kind merge by being
copied together.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import itertools
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv.results import Results, get_filename
from tqdm import tqdm

from alb_core.base import processes
from alb_core.base.documents import DamagedDocumentError, Format
from alb_core.cases.counter import PROCESSOR, VALGRIND, Counter, NoCounterError, counter_here
from alb_core.cases.instructions import MODULE, Counting, Outcome, counting
from alb_core.cases.work import Work, name_of
from alb_core.commits.builds.install import TILEDB
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.results.resolved_versions import other_tiledb
from alb_core.rounds.results.store import CommitResults, place_of, set_aside

#: Directory of the files within a machine's results.
DIRECTORY = "work"

#: Seconds that the counts of one commit may take: many times what they do take on a machine with a load of ten.
TIMEOUT = 1800

#: Seconds between two looks at processes that count.
_PAUSE = 0.1


@dataclass
class CommitWork:
    """What is known of the work of one commit."""

    #: With its version, such as ``valgrind 3.19.0``.
    counter: str
    #: By case, oldest first.
    works: dict[BenchmarkCase, list[Work]] = field(default_factory=dict)
    #: By case, in words.
    failures: dict[BenchmarkCase, str] = field(default_factory=dict)
    #: What the commit cannot do.
    absent: set[BenchmarkCase] = field(default_factory=set)

    def missing(self, cases: Sequence[BenchmarkCase], runs: int = 1) -> list[BenchmarkCase]:
        """Return those of some cases that lack so many counts."""
        return [case for case in cases if case not in self.absent and len(self.works.get(case, ())) < runs]


@dataclass
class _CountedCase:
    """How a case stands in a file."""

    #: asv's, of the benchmark.
    version: str
    works: list[Work] = field(default_factory=list)
    #: Whether the commit cannot do it.
    absent: bool = False


@dataclass
class _Document:
    """What a file holds."""

    commit: str
    counter: str
    #: By asv's name of a case.
    cases: dict[str, _CountedCase] = field(default_factory=dict)
    #: The TileDB that the commit was compiled with; empty where it was not compiled here.
    tiledb: str = ""


_FORMAT = Format(_Document, "work of a commit", ("version", 1), "move it away, and count again", indent=None)


def counter_for(by: str) -> Counter | None:
    """Return what counts where ``by`` is ``work`` or ``all``; for ``all``, none and a line that says why."""
    if by == "time":
        return None
    try:
        return counter_here()
    except NoCounterError as error:
        if by == "work":
            raise
        print(f"alb: only time is measured: {error}", file=sys.stderr, flush=True)
        return None


def work_cases(benchmarks: Mapping[str, dict[str, Any]], kind: str) -> dict[str, BenchmarkCase]:
    """Return the cases that a kind of counter counts, by the row of what they count."""
    names = {name.split(".")[1]: name for name in benchmarks if "time_" in name and name.split(".")[0] != "full"}
    found = {}
    for name, benchmark in benchmarks.items():
        module, cls, _ = name.split(".")
        if module != MODULE or cls not in names:
            continue
        for index, parameters in enumerate(itertools.product(*benchmark["params"])):
            if ast.literal_eval(parameters[-1]) == kind:
                counted = BenchmarkCase(names[cls], 0, parameters[:-1], Kind.TIME)
                found[counted.row] = BenchmarkCase(name, index, parameters, Kind.COUNT)
    return found


def recorded_counter(results: Path, machine: str) -> Counter | None:
    """Return what counted most of the commits that a machine has counts of; it need not be here."""
    found: collections.Counter[Counter] = collections.Counter()
    for path in (results / machine / DIRECTORY).glob("*.json"):
        document = _FORMAT.find(path)
        for kind in (VALGRIND, PROCESSOR):
            if document is not None and any(name.endswith(f"{kind!r})") for name in document.cases):
                found[Counter(kind, document.counter)] += 1
    return found.most_common(1)[0][0] if found else None


class WorkStore:
    """The work of commits in one environment on one machine, as one counter counts it."""

    def __init__(
        self,
        results: Path,
        machine: str,
        empty: Callable[[str], Results],
        benchmarks: Mapping[str, dict[str, Any]],
        counter: Counter,
    ) -> None:
        self._results, self._machine, self._empty = results, machine, empty
        self._benchmarks, self.counter = benchmarks, counter

    def path(self, commit: str) -> Path:
        """The file of a commit; where another counter, or another version of it, has one, one with this one's name."""
        empty = self._empty(commit)
        place = Path(get_filename(self._machine, commit, empty.env_name))
        path = place_of(self._results, commit) / place.parent / DIRECTORY / place.name
        there = _FORMAT.find(path)
        if there is not None and there.counter != self.counter.name:
            return path.with_name(f"{path.stem}-{re.sub(r'[^A-Za-z0-9.]', '', self.counter.name)}.json")
        return path

    def of(self, commit: str) -> CommitWork:
        """Return what is recorded by this counter, of the benchmarks' present versions; nothing is changed."""
        document = self._read(commit)
        found = CommitWork(self.counter.name)
        by_name = {case.name: case for case in work_cases(self._benchmarks, self.counter.kind).values()}
        for name, counted in document.cases.items():
            case = by_name.get(name)
            if case is not None and counted.absent:
                found.absent.add(case)
            elif case is not None:
                found.works[case] = counted.works
        return found

    def keep(self, commit: str, outcomes: Mapping[BenchmarkCase, Outcome], seconds: float, tiledb: str = "") -> None:
        """Add what a process counted of a commit, compiled with some TileDB; what failed is not kept."""
        document = self._read(commit)
        document.tiledb = tiledb
        for case, outcome in outcomes.items():
            version = str(self._benchmarks[case.benchmark]["version"])
            counted = document.cases.setdefault(case.name, _CountedCase(version))
            if outcome.work is not None:
                counted.works.append(outcome.work)
            counted.absent = bool(outcome.absent)
            if not counted.works and not counted.absent:
                del document.cases[case.name]
        path = self.path(commit)
        try:
            _FORMAT.read(path)
        except DamagedDocumentError as error:
            print(f"alb: {path} cannot be read ({error.reason}); set aside as {set_aside(path).name}", file=sys.stderr)
        _FORMAT.write(path, document)
        asv = CommitResults(self._results, self._machine, self._empty(commit), self._benchmarks)
        for case, outcome in outcomes.items():
            each = seconds / len(outcomes)
            if outcome.work is not None:
                counts = [work.instructions for work in document.cases[case.name].works]
                asv.add_value(case, float(min(counts)), datetime.now(UTC), each)
            else:
                asv.add_absent(case, math.nan if outcome.absent else None, outcome.failed)

    def _read(self, commit: str) -> _Document:
        """What stands in a commit's file and still counts."""
        document = _FORMAT.find(self.path(commit))
        if document is None or (document.commit, document.counter) != (commit, self.counter.name):
            return _Document(commit, self.counter.name)
        if other_tiledb(document.tiledb):
            return _Document(commit, self.counter.name)
        document.cases = {
            name: counted
            for name, counted in document.cases.items()
            if str(self._benchmarks.get(name.partition("(")[0], {}).get("version")) == counted.version
        }
        return document


def count(
    commits: Sequence[InstalledCommit],
    cases: Sequence[BenchmarkCase],
    store: WorkStore,
    *,
    runs: int = 1,
    budget: float = math.inf,
) -> dict[str, CommitWork]:
    """Make sure that each case has so many counts on each commit, and return them by commit.

    Recorded counts are taken. Commits are counted beside each other, since a count does not mind a neighbour; after so
    many seconds no other one is begun.
    """
    found = {commit.commit: store.of(commit.commit) for commit in commits}
    left = []
    for commit in commits:
        missing = found[commit.commit].missing(cases, runs)
        if missing:
            left.append((commit, missing))
    for place, outcomes, seconds in side_by_side(left, budget):
        counted = left[place][0].commit
        store.keep(counted, outcomes, seconds, left[place][0].packages.get(TILEDB, ""))
        known = store.of(counted)
        known.failures = {case: outcome.failed for case, outcome in outcomes.items() if outcome.failed}
        found[counted] = known
    return found


def side_by_side(
    jobs: Sequence[tuple[InstalledCommit, Sequence[BenchmarkCase]]], budget: float = math.inf
) -> Iterator[tuple[int, dict[BenchmarkCase, Outcome], float]]:
    """Count cases of commits, as many at a time as there are CPUs; after so many seconds no other one is begun.

    Yields the place of each job as it ends, what it gave and the seconds that it took.
    """
    total = sum(len(cases) for _, cases in jobs)
    end = time.monotonic() + budget
    with (
        contextlib.ExitStack() as stack,
        tqdm(total=total, unit=" cases", desc="counting work", disable=None, leave=False) as bar,
    ):
        running: list[tuple[int, _Job]] = []
        waiting = list(enumerate(jobs))
        while running or (waiting and time.monotonic() < end):
            while waiting and time.monotonic() < end and len(running) < processes.cpus():
                place, (commit, cases) = waiting.pop(0)
                if bar.disable:
                    print(f"alb: counting work {commit.place}, {len(cases)} cases", file=sys.stderr, flush=True)
                running.append((place, _Job(commit, cases, stack)))
            time.sleep(_PAUSE)
            for place, job in [each for each in running if not each[1].process.running]:
                running.remove((place, job))
                yield place, job.end(), job.seconds
            for place, job in [each for each in running if each[1].seconds > TIMEOUT]:
                running.remove((place, job))
                yield place, job.give_up(f"counting took more than {TIMEOUT} s, and was ended"), job.seconds
            done = sum(job.process.counted for _, job in running) + total
            done -= sum(len(cases) for _, (_, cases) in waiting) + sum(len(job.cases) for _, job in running)
            bar.update(done - bar.n)


class _Job:
    """A commit that is being counted."""

    def __init__(self, commit: InstalledCommit, cases: Sequence[BenchmarkCase], stack: contextlib.ExitStack) -> None:
        self.commit, self.cases = commit, cases
        self._begun = time.monotonic()
        environment = commit.environment
        variables = {
            **os.environ,
            **environment.env_vars,
            "ASV_ENV_DIR": str(environment.path),
            "ASV_COMMIT": commit.commit,
        }
        self._stack = stack.enter_context(contextlib.ExitStack())
        self.process: Counting = self._stack.enter_context(
            counting(
                environment.path / "bin" / "python",
                environment.path / "counted",
                [_combination(case) for case in cases],
                variables,
            )
        )

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun

    def end(self) -> dict[BenchmarkCase, Outcome]:
        """Return what the process gave, and remove what it wrote."""
        by_name = self.process.outcomes()
        self._stack.close()
        return {case: by_name[name_of(*_combination(case))] for case in self.cases}

    def give_up(self, why: str) -> dict[BenchmarkCase, Outcome]:
        """End the process, and return that nothing is known."""
        self._stack.close()
        return dict.fromkeys(self.cases, Outcome(failed=why))


def _combination(case: BenchmarkCase) -> tuple[str, tuple[Any, ...]]:
    """A case's class and parameters, the counter left out."""
    return case.benchmark.split(".")[1], tuple(map(ast.literal_eval, case.parameters[:-1]))
