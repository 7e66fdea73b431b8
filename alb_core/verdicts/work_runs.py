"""The work of BASE and HEAD: counted once, again where it differs, and compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.work import CommitWork, WorkStore
from alb_core.verdicts.work_changes import APART, ComparedWork, WorkChange, apart, change_of

#: Makes sure that cases have so many counts on some commits, and returns what is known, by commit.
Count = Callable[[Sequence[InstalledCommit], Sequence[BenchmarkCase], int], Mapping[str, CommitWork]]


def compared_work(
    commits: tuple[InstalledCommit, InstalledCommit],
    cases: Mapping[BenchmarkCase, BenchmarkCase],
    count: Count,
    differs: Callable[[WorkChange], bool],
) -> ComparedWork:
    """Count cases on two commits and compare; ``cases`` has for each the benchmark of time that it counts.

    What differs is counted once more on both, recorded or not, because the machine may have changed since a count; and
    once again on a commit whose own counts lie too far apart.
    """
    base, head = (each.commit for each in commits)
    if base == head:
        known = dict(count(commits, list(cases), 0))
        known = dict(count(commits, list(cases), _most(known, list(cases)) + 1))
        return compare(known[base], known[head], cases, same=True)
    known = dict(count(commits, list(cases), 1))
    found = compare(known[base], known[head], cases)
    differing = [
        case for case, timed in cases.items() if timed.row in found.changes and differs(found.changes[timed.row])
    ]
    if not differing:
        return found
    _say(f"{', '.join(cases[case].row for case in differing)} may do other work: counting again")
    runs = _most(known, differing)
    _add(known, count(commits, differing, runs + 1))
    for commit in commits:
        works = known[commit.commit].works
        varying = [case for case in differing if apart(works[case]) > APART]
        if varying:
            _say(f"counts {commit.place} lie more than {100 * APART:.1f} % apart: counting once again")
            _add(known, count([commit], varying, runs + 2))
    return compare(known[base], known[head], cases)


def recorded_work(
    commits: tuple[InstalledCommit, InstalledCommit], cases: Mapping[BenchmarkCase, BenchmarkCase], store: WorkStore
) -> ComparedWork:
    """Compare what is recorded of two commits."""
    base, head = (each.commit for each in commits)
    return compare(store.of(base), store.of(head), cases, same=base == head)


def compare(
    base: CommitWork, head: CommitWork, cases: Mapping[BenchmarkCase, BenchmarkCase], same: bool = False
) -> ComparedWork:
    """Compare what two commits took; of a commit against itself, the last two counts."""
    changes, notes, failures = {}, {}, set()
    for case, timed in cases.items():
        one, other = base.works.get(case, []), head.works.get(case, [])
        if same:
            one, other = one[-2:-1], other[-1:]
        if one and other:
            changes[timed.row] = change_of(one, other)
        both = (("BASE", base), ("HEAD", head))
        failed = [(label, each.failures[case]) for label, each in both if case in each.failures]
        absent = [label for label, each in both if case in each.absent]
        if failed:
            last = (failed[0][1].strip().splitlines() or ["no output"])[-1]
            notes[timed.row] = f"failed on {' and '.join(label for label, _ in failed)}: {last}"
            if timed.row not in changes:
                failures.add(timed.row)
        elif absent:
            notes[timed.row] = f"n/a on {' and '.join(absent)}"
    return ComparedWork(base.counter, changes, notes, frozenset(failures))


def _most(known: Mapping[str, CommitWork], cases: Sequence[BenchmarkCase]) -> int:
    """Counts of the case that has most."""
    return max((len(each.works.get(case, ())) for each in known.values() for case in cases), default=0)


def _add(known: dict[str, CommitWork], more: Mapping[str, CommitWork]) -> None:
    """Take later counts; what failed before stays noted."""
    for commit, found in more.items():
        found.failures = {**known[commit].failures, **found.failures}
        known[commit] = found


def _say(line: str) -> None:
    print(f"alb: {line}", file=sys.stderr, flush=True)
