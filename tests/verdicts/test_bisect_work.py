"""Bisecting by work: what is counted, skipped and said."""

import re
import shlex

import pytest
from recorded import CASES

from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.work import CommitWork
from alb_core.verdicts import bisect_work
from alb_core.verdicts.bisect_work import WorkBisectResult

COMMITS = [f"{place:02}" * 20 for place in range(34)]
COUNTED = [BenchmarkCase("instructions.Read.track_instructions", n, ("'table'", str(n)), Kind.COUNT) for n in range(2)]


class History:
    """Commits that do some work, of which some cannot be installed and some fail."""

    def __init__(self, *works, broken=(), failing=()):
        self.works, self.broken, self.failing, self.asked = works, broken, failing, []
        self.ends_after = None

    def count(self, commits, cases):
        if len(self.asked) == self.ends_after:
            raise KeyboardInterrupt
        self.asked.append([COMMITS.index(commit) for commit in commits])
        return {commit: self._known(COMMITS.index(commit), cases) for commit in commits}

    def _known(self, place, cases):
        if place in self.broken:
            return "cannot be built"
        known = CommitWork("valgrind 3.19.0")
        for case in cases:
            if place in self.failing:
                known.failures[case] = "Traceback\nValueError: no"
            else:
                work = self.works[COUNTED.index(case)][place]
                # Twice, once with a little more by chance.
                known.works[case] = [Work(work + 30, {"lib f": 30}), Work(work, {"lib f": work})]
        return known


def searched(history, budget=1e6, **less):
    cases = dict(zip(COUNTED, CASES[: len(history.works)], strict=False))
    found = WorkBisectResult(COMMITS[: len(history.works[0])], cases, "valgrind 3.19.0")
    bisect_work.search(found, history.count, 0.005, 2, budget, **less)
    return found


def said(found):
    return list(bisect_work.lines(found, lambda commit: f"{commit[:2]} title", ("good", "bad")))


def stepped(*steps):
    """Work by place: a million, and from each of some places on a share more or less."""
    return [round(1e6 * (1 + sum(more for place, more in steps if place <= at))) for at in range(34)]


def test_all_steps_are_named_in_order_and_can_be_seen_again():
    history = History(stepped((5, 0.1), (20, -0.03), (27, 0.02)), stepped((5, 0.01)))
    found = searched(history)
    assert found.exit_status == 0 and max(map(len, history.asked)) == 2
    assert [(found.commits[after][:2], len(steps)) for (_, after), steps in sorted(found.steps.items())] == [
        ("05", 2),
        ("20", 1),
        ("27", 1),
    ]
    lines = said(found)
    assert lines[-2:] == ["FIRST BAD COMMIT: 05 title", "FIRST BAD COMMIT: 27 title"]
    at = lines.index("less work since 20 title")
    assert lines[at + 1] == "  read.Read.epoch('table', 64): 1,100,000 -> 1,070,000 instructions (-2.73 %)"
    assert lines[at + 2] == "    lib f: 1.1 M -> 1.1 M (-2.7 %)"
    command = shlex.split(lines[lines.index("more work since 05 title") + 5].partition(": ")[2])
    assert command[:4] == ["alb", "verdict", COMMITS[4][:10], COMMITS[5][:10]]
    assert all(re.search(pattern, case.name) for pattern, case in zip(command[7::2], CASES[:2], strict=True))


def test_few_commits_are_counted_and_only_cases_that_do_more_work():
    history = History(stepped((5, 0.1)), stepped((9, -0.5)))
    found = searched(history)
    assert [case for steps in found.steps.values() for case in steps] == COUNTED[:1]
    # GOOD and BAD, and what cutting 32 commits into three parts each takes.
    assert len(history.asked) <= 5 and found.counted <= 10


def test_what_cannot_be_counted_is_skipped():
    found = searched(History(stepped((5, 0.1)), broken=(4,), failing=(5,)))
    lines = said(found)
    assert lines[:2] in ([f"skipped {COMMITS[n][:10]}: {why}" for n, why in pair] for pair in SKIPPED)
    assert lines[-1] == "FIRST BAD COMMIT, one of 3: 04 title; 05 title; 06 title"


SKIPPED = [
    [(4, "cannot be built"), (5, "read.Read.epoch('table', 64) cannot be counted: ValueError: no")][::order]
    for order in (1, -1)
]


@pytest.mark.parametrize(
    ("works", "why"), [(stepped((5, 0.004)), "epoch('table', 64) +0.40%"), (stepped((5, -0.1)), "-10.00%")]
)
def test_without_more_work_there_is_nothing_to_find(works, why):
    history = History(works)
    found = searched(history)
    assert found.exit_status == 3 and not found.changed and history.asked == [[0, 33]]
    assert why in said(found)[-1] and said(found)[-1].startswith("NOT KNOWN: ")


def test_less_work_is_looked_into_where_it_is_asked_for():
    found = searched(History(stepped((5, -0.2), (9, 0.05), (20, -0.2))), less=True)
    assert found.exit_status == 0 and len(found.steps) == 3 and said(found)[-1] == "FIRST BAD COMMIT: 09 title"
    found = searched(History(stepped((5, -0.2))), less=True)
    assert found.exit_status == 0 and said(found)[-1] == "FIRST COMMIT WITH LESS WORK: 05 title"


def test_the_budget_and_the_user_end_it():
    found = searched(History(stepped((5, 0.1))), budget=-1)
    assert found.exit_status == 3 and said(found)[-1] == "NOT KNOWN: give a larger --budget"
    assert "more work since one of 33: " in said(found)[1]
    history = History(stepped((5, 0.1)))
    history.ends_after = 2
    found = searched(history)
    assert found.exit_status == 130 and said(found)[-1].startswith("NOT KNOWN: interrupted")
