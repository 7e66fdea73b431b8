"""``alb bisect`` without its command line: the first bad commit of a range, in as few rounds as the noise allows."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo
from asv.results import Results

from alb_core.base.errors import AlbError
from alb_core.base.paths import environment_roots, history_root
from alb_core.base.processes import cpus
from alb_core.commits.builds import plan
from alb_core.commits.history import releases
from alb_core.commits.history.git import Objects, git
from alb_core.commits.history.package import Packages
from alb_core.rounds import work
from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import CouldNotMeasureError, base_and_head, install_each
from alb_core.rounds.measure import measure
from alb_core.rounds.measuring_session import discovered, empty_results, session
from alb_core.rounds.pairs import MOST_ROUNDS, Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.schedules import BASE, HEAD, PairSchedule
from alb_core.rounds.selections import check, counted, matched, require_some
from alb_core.rounds.work import CommitWork, WorkStore
from alb_core.verdicts import bisect_search, bisect_work, calibration_file
from alb_core.verdicts.bisect_search import Regression, Search
from alb_core.verdicts.bisect_work import WorkBisectResult
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.statistics import Word
from alb_core.verdicts.verdict import judge_of


@dataclass(frozen=True)
class BisectRequest:
    """What is asked of a bisection."""

    #: Names of commits of the history, the first an ancestor of the second.
    good: str
    bad: str
    patterns: tuple[str, ...]
    #: Seconds to measure, builds apart.
    budget: float = 3600.0
    #: Name; None for asv's own choice.
    machine: str | None = None
    #: ``work``, ``time`` or ``all``: work, and the clock where no case does more work.
    by: str = "all"
    attributes: Mapping[str, Any] | None = None


@dataclass
class BisectResult:
    """How a bisection ended."""

    search: Search
    machine: str
    #: What was bisected; None where nothing became worse beyond doubt.
    regression: Regression | None = None
    #: Why it is not at its end; None where it is.
    open: str | None = None
    interrupted: bool = False
    #: Why, by commit.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Measured or recorded rounds that it took.
    rounds: int = 0
    #: Chance that the answer is wrong.
    error: float = 0.0

    @property
    def exit_status(self) -> int:
        """0 found, 3 not known, 130 interrupted."""
        return 130 if self.interrupted else 3 if self.open else 0


def run(request: BisectRequest) -> BisectResult | WorkBisectResult:
    """Find the first bad commits by what they do, or the first one by the clock."""
    check(request.patterns)
    releases.commits_of((request.good, request.bad))
    counter = work.counter_for(request.by)
    with session(request.machine, environment_roots()) as (conf, repo, machine):
        good, bad = releases.commits_of((request.good, request.bad))
        chain = [good, *between(history_root(), (request.good, request.bad), good, bad)]
        _, last = base_and_head(conf, repo, (request.good, request.bad), (good, chain[-1]))
        benchmarks = discovered(conf, repo, last)
        counts = counted(conf, benchmarks, request.patterns, counter.kind) if counter else {}
        cases = [case for case in matched(conf, benchmarks, request.patterns) if case.kind is not Kind.COUNT]
        require_some([*counts, *(cases if request.by != "work" else [])], benchmarks, request.patterns, request.by)
        benchmarks.save()
        empty = empty_results(repo, last.environment, machine)
        if counter and counts:
            store = WorkStore(Path(conf.results_dir), machine, empty, benchmarks, counter)
            found = WorkBisectResult(chain, counts, counter.name)
            count = partial(_count, conf, repo, store)
            at_once = min(cpus(), len(environment_roots()))
            threshold = judge_of(None, calibration_file.load(Path(conf.results_dir), machine), counter).work_threshold
            bisect_work.search(found, count, threshold, at_once, request.budget, less=request.by == "work")
            if found.changed or found.interrupted or request.by == "work" or not cases:
                return found
            print(f"alb: {found.open}; the clock is asked", file=sys.stderr, flush=True)
        return _by_clock(request, conf, repo, machine, chain, benchmarks, cases, empty)


def _count(
    conf: Config, repo: Repo, store: WorkStore, commits: Sequence[str], cases: Sequence[BenchmarkCase]
) -> dict[str, CommitWork | str]:
    """Return the work of commits, counted where it is not recorded; why, where one cannot be installed."""
    known: dict[str, CommitWork | str] = {commit: store.of(commit) for commit in commits}
    missing = [commit for commit in commits if store.of(commit).missing(cases)]
    if missing:
        installed, failures = install_each(conf, repo, missing)
        known |= {commit: str(fault) for commit, fault in failures.items()}
        known |= work.count(installed, cases, store)
    return known


def _by_clock(
    request: BisectRequest,
    conf: Config,
    repo: Repo,
    machine: str,
    chain: Sequence[str],
    benchmarks: Benchmarks,
    cases: Sequence[BenchmarkCase],
    empty: Callable[[str], Results],
) -> BisectResult:
    """Find the first bad commit by rounds of time and memory."""
    good = chain[0]
    found = BisectResult(Search(chain), machine)
    end = time.monotonic() + request.budget

    def rounds_of(commit: str, what: Sequence[BenchmarkCase], still_open: Any) -> Rounds:
        """Rounds of GOOD and another commit, measured until no case is open."""
        store = Store(Path(conf.results_dir), machine, empty, benchmarks, (good, commit))
        rounds = Rounds({case: store.pairs(good, commit, case) for case in what})
        if not still_open(rounds):
            return rounds
        nonlocal end
        begun = time.monotonic()
        base, head = base_and_head(conf, repo, (request.good, commit[:10]), (good, commit))
        # Builds are no part of the budget.
        end += time.monotonic() - begun
        left = end - time.monotonic()
        if left > 0:
            bench = Bench(conf, {BASE: base, HEAD: head}, benchmarks, request.attributes)
            schedule = PairSchedule(rounds, still_open)
            done = measure(bench, schedule, partial(store.keep_pair, good, commit), left)
            found.interrupted = done.interrupted
        return rounds

    try:
        _search(found, cases, bisect_search.error_of_each(len(chain) - 1), rounds_of)
    except KeyboardInterrupt:
        found.interrupted = True
    if found.interrupted:
        found.open = "interrupted: the rounds are kept, and the same command goes on"
    return found


def _search(found: BisectResult, cases: Sequence[BenchmarkCase], error: float, rounds_of: Any) -> None:
    """Test commit after commit until the first bad one is known, or nothing more can be."""
    search, judge = found.search, Judge()

    def undecided(rounds: Rounds) -> list[BenchmarkCase]:
        if bisect_search.regression(_live(rounds), error) is not None:
            return []
        words = {row.name: row for row in judge.verdict(rounds).rows if not row.together}
        still = []
        for case in _live(rounds):
            change = words[case.row].memory if case.kind is Kind.MEMORY else words[case.row].time
            # What is known to be no slower is none to bisect.
            known = change is not None and change.word in {Word.SAME, Word.BETTER}
            if not known and len(rounds.pairs[case]) < MOST_ROUNDS:
                still.append(case)
        return still

    rounds = rounds_of(search.commits[-1], cases, undecided)
    what = found.regression = bisect_search.regression(_live(rounds), error)
    found.rounds += rounds.most()
    found.error += error
    if what is None:
        seen = "; ".join(
            f"{case.row} {bisect_search.seen(case, pairs)} in {len(pairs)} rounds"
            for case, pairs in rounds.pairs.items()
        )
        notes = [f"; {case.name} failed on {why}" for case, why in rounds.failures.items()]
        more = ": give a larger --budget" if undecided(rounds) else ""
        found.open = f"nothing is known to have become worse ({seen}{''.join(notes)}){more}"
        return
    print(f"alb: {what.case.row} is {what.said}; what is more than half of it is bad", file=sys.stderr, flush=True)
    while (place := search.next()) is not None and not found.interrupted:
        commit = search.commits[place]
        try:
            rounds = rounds_of(commit, [what.case], lambda rounds: _open(what, rounds, error))
        except CouldNotMeasureError as fault:
            _skip(found, place, str(fault))
            continue
        if found.interrupted:
            return
        pairs = rounds.pairs[what.case]
        missing = rounds.failures.get(what.case) or rounds.absent.get(what.case)
        if missing is not None:
            _skip(found, place, f"{what.case.name} does not run: {missing}")
            continue
        bad = bisect_search.is_bad(what, pairs, error)
        if bad is None:
            found.open = (
                f"{commit[:10]} is not known to be good or bad after {len(pairs)} rounds "
                f"({bisect_search.seen(what.case, pairs)}): "
                + ("it is too noisy here" if len(pairs) >= MOST_ROUNDS else "give a larger --budget")
            )
            return
        search.tell(place, bad)
        found.rounds += len(pairs)
        found.error += error
        said = f"{'bad' if bad else 'good'}, {bisect_search.seen(what.case, pairs)} in {len(pairs)} rounds"
        print(f"alb: {commit[:10]} is {said}; {len(search.open)} commits left", file=sys.stderr, flush=True)


def _live(rounds: Rounds) -> dict[BenchmarkCase, Any]:
    return {c: pairs for c, pairs in rounds.pairs.items() if c not in rounds.failures and c not in rounds.absent}


def _open(what: Regression, rounds: Rounds, error: float) -> list[BenchmarkCase]:
    pairs = _live(rounds).get(what.case)
    done = pairs is None or len(pairs) >= MOST_ROUNDS or bisect_search.is_bad(what, pairs, error) is not None
    return [] if done else [what.case]


def _skip(found: BisectResult, place: int, why: str) -> None:
    commit = found.search.commits[place]
    found.search.skipped.add(place)
    found.skipped[commit] = why
    print(f"alb: {commit[:10]} is skipped: {why}", file=sys.stderr, flush=True)


def between(history: Path, names: tuple[str, str], good: str, bad: str) -> list[str]:
    """Return the commits after GOOD up to BAD that change the package, along first parents, oldest first."""
    words = f"{names[0]} ({good[:8]}) and {names[1]} ({bad[:8]})"
    if good == bad:
        raise AlbError(f"{names[0]} and {names[1]} are the same commit, {good[:8]}: expected a good one and a bad one")
    if git(history, "rev-list", "--count", "--max-count=1", good, "--not", bad) != "0":
        raise AlbError(f"{words}: expected the first to be an ancestor of the second; are they the wrong way round?")
    commits = plan.commits_of(history, f"{good}..{bad}")
    with Objects(history) as objects:
        changing = plan.changing(Packages(objects), history, commits)
    if not changing:
        raise AlbError(f"{words}: no commit between them changes the package, so none can be the cause")
    return changing


def _title(commit: str) -> str:
    return git(history_root(), "log", "-1", "--format=%h %s", commit)


def text(found: BisectResult | WorkBisectResult, request: BisectRequest) -> str:
    """Return what was found, in lines."""
    if isinstance(found, WorkBisectResult):
        return "\n".join(bisect_work.lines(found, _title, (request.good, request.bad)))
    search, what = found.search, found.regression
    lines = [f"skipped {commit[:10]}: {why}" for commit, why in found.skipped.items()]
    if what is not None:
        lines.append(f"{what.case.row} became worse by {what.said} from {request.good} to {request.bad}")
    if found.open:
        left = ", ".join(commit[:10] for commit in search.candidates)
        return "\n".join([*lines, f"one of {len(search.candidates)}: {left}", f"NOT KNOWN: {found.open}"])
    assert what is not None
    last, first = search.commits[search.good], search.commits[search.bad]
    lines.append(f"{search.tests} commits tested, {found.rounds} rounds; wrong in at most {100 * found.error:.1f} %")
    pattern = shlex.quote(f"^{re.escape(what.case.name)}$")
    machine = f" --machine {shlex.quote(found.machine)}" if request.machine else ""
    lines.append(f"to see it again: alb verdict {last[:10]} {first[:10]} -b {pattern}{machine}")
    if len(search.candidates) > 1:
        named = "; ".join(_title(commit) for commit in search.candidates)
        return "\n".join([*lines, f"FIRST BAD COMMIT, one of {len(search.candidates)}: {named}"])
    return "\n".join([*lines, f"FIRST BAD COMMIT: {_title(first)}"])
