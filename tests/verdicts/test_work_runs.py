"""Both commits are counted once, again where they differ, a third time where a commit's own counts lie apart."""

import pytest
from recorded import CASES

from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.work import CommitWork
from alb_core.verdicts.work_runs import compare, compared_work

BASE, HEAD = (InstalledCommit(label, label, letter * 40, None) for label, letter in (("BASE", "a"), ("HEAD", "b")))
COUNTED = {
    BenchmarkCase("instructions.Read.track_instructions", n, (*case.parameters, "'valgrind'"), Kind.COUNT): case
    for n, case in enumerate(CASES[:2])
}
ONE, OTHER = COUNTED


class Counter:
    """Counts by commit and case, one after another; those of earlier calls are there."""

    def __init__(self, counts):
        self.counts, self.asked, self.runs = counts, [], {}

    def __call__(self, commits, cases, runs):
        self.asked.append(("".join(commit.commit[0] for commit in commits), list(cases), runs))
        found = {}
        # A commit in two environments is counted in both.
        runs += runs > 0 and len({commit.commit for commit in commits}) < len(commits)
        for commit in commits:
            letter = commit.commit[0]
            for case in cases:
                self.runs[letter, case] = max(runs, self.runs.get((letter, case), 0))
            known = CommitWork("valgrind 3")
            for case in COUNTED:
                counts = self.counts.get((letter, case), [1000] * 3)
                if isinstance(counts, str):
                    known.failures |= {case: counts} if case in cases else {}
                elif counts is None:
                    known.absent.add(case)
                else:
                    known.works[case] = [Work(count) for count in counts[: self.runs.get((letter, case), 0)]]
            found[commit.commit] = known
        return found


def run(counts, commits=(BASE, HEAD), recorded=None):
    counter = Counter(counts)
    counter.runs |= recorded or {}
    found = compared_work(commits, COUNTED, counter, lambda change: abs(change.change) >= 0.005)
    return found, counter.asked


def test_what_is_the_same_is_counted_once():
    found, asked = run({("b", ONE): [1001]})
    assert asked == [("ab", [ONE, OTHER], 1)] and found.counter == "valgrind 3" and found.notes == {}
    assert found.changes[CASES[0].row].head == 1001 and found.changes[CASES[1].row].change == 0


@pytest.mark.parametrize(
    ("base", "head", "more", "change", "certain"),
    [
        ([1000, 1000], [1010, 1010], [], 0.01, True),
        # A count that was too large by chance.
        ([1000, 1001], [1010, 1000, 1000], [("b", 3)], 0.0, False),
        ([1000, 1006, 1003], [1010, 1014, 1012], [("a", 3), ("b", 3)], 0.01, True),
    ],
)
def test_what_differs_is_counted_again(base, head, more, change, certain):
    found, asked = run({("a", ONE): base, ("b", ONE): head})
    assert asked == [("ab", [ONE, OTHER], 1), ("ab", [ONE], 2), *((commit, [ONE], runs) for commit, runs in more)]
    assert found.changes[CASES[0].row].change == pytest.approx(change)
    assert found.changes[CASES[0].row].certain is certain and CASES[1].row in found.changes


def test_a_recorded_count_that_the_machine_has_outlived_is_no_change():
    # The system's libraries are others than when BASE was counted twice.
    counts = {("a", ONE): [1000, 1000, 1010, 1010], ("b", ONE): [1010, 1010, 1010, 1010]}
    found, asked = run(counts, recorded={("a", ONE): 2})
    assert asked[1] == ("ab", [ONE], 3)
    assert not found.changes[CASES[0].row].certain and found.changes[CASES[0].row].apart == pytest.approx(0.01)


def test_a_commit_against_itself_is_counted_anew_in_both_environments():
    found, asked = run({("a", ONE): [1000, 1002]}, (BASE, BASE))
    assert asked == [("aa", [ONE, OTHER], 0), ("aa", [ONE, OTHER], 1)]
    assert (found.changes[CASES[0].row].base, found.changes[CASES[0].row].head) == (1000, 1002)


def test_what_cannot_be_counted_is_noted_also_after_others_are_counted_again():
    found, asked = run({("b", ONE): "Traceback\nValueError: no\n", ("b", OTHER): [1010, 1010]})
    assert len(asked) == 2 and found.notes == {CASES[0].row: "failed on HEAD: ValueError: no"}
    assert found.failed == {CASES[0].row}
    assert run({("a", ONE): None})[0].notes == {CASES[0].row: "n/a on BASE"}
    nothing = compare(CommitWork(""), CommitWork(""), COUNTED)
    assert nothing.changes == {} and nothing.notes == {}
