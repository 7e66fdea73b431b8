"""Counters of both commits: how often they are looked at, and where they are kept."""

import pytest
from recorded import CASES, quiet, rounds_of

from alb_core.cases import counters
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Rounds
from alb_core.verdicts import counter_runs
from alb_core.verdicts.counter_runs import CounterRuns, counters_of, told
from alb_core.verdicts.judge import Judge


def track(cls, counter, unit, params=(("'table'", "'csr'"), ("64", "128"))):
    name = f"counters.{cls}.track_{counter}"
    return {"name": name, "params": [list(values) for values in params], "unit": unit, "type": "track"}


BENCHMARKS = {
    made["name"]: made
    for made in (
        track("Read", "tiles", "tiles"),
        track("Read", "waiting", "seconds"),
        track("Other", "tiles", "tiles"),
    )
}
ROW = CASES[0].row


class Commits:
    """Figures of both commits, and what was asked of them."""

    def __init__(self, base, head):
        self.figures, self.asked = (base, head), []

    def __call__(self, names, base_first):
        self.asked.append((list(names), base_first))
        at = len(self.asked) - 1
        value = lambda one: one[at % len(one)] if isinstance(one, list) else one  # noqa: E731
        return tuple(
            {name: {key: value(one) for key, one in figures.items()} for name in names} for figures in self.figures
        )


def counted(commits, ratio=1.0, cases=CASES[:1]):
    verdict = Judge().verdict(rounds_of(**{f"CASES_{case.index}": quiet(20, ratio) for case in cases}))
    by_row = counters_of(BENCHMARKS, cases)
    rounds, kept = Rounds.of([case for own in by_row.values() for case in own]), []
    CounterRuns(commits, lambda *pair: kept.append(pair), rounds, by_row).run(verdict)
    return verdict, rounds, by_row, kept


def test_each_row_has_the_counters_of_its_class_and_parameters():
    found = counters_of(BENCHMARKS, [*CASES, BenchmarkCase("read.Read.time_epoch", 9, ("'new'", "64"), Kind.TIME)])
    assert list(found) == [case.row for case in CASES]
    assert [(case.benchmark, case.index, case.kind) for case in found[CASES[2].row]] == [
        ("counters.Read.track_tiles", 2, Kind.COUNT),
        ("counters.Read.track_waiting", 2, Kind.TIME),
    ]


def test_equal_counts_are_looked_at_once_for_all_rows_together():
    commits = Commits({"tiles": 7, "waiting": 0.5}, {"tiles": 7, "waiting": 0.9})
    verdict, rounds, by_row, kept = counted(commits, cases=CASES[:2])
    assert commits.asked == [(["Read('table', 64)", "Read('table', 128)"], True)]
    assert len(kept) == 4 and told(verdict, rounds, by_row) == []


def test_a_count_that_differs_is_looked_at_again_and_told_without_a_change_of_time():
    commits = Commits({"tiles": 7, "waiting": 0.5}, {"tiles": 9, "waiting": 0.5})
    verdict, rounds, by_row, _ = counted(commits)
    assert [base_first for _, base_first in commits.asked] == [True, False, True]
    [line] = told(verdict, rounds, by_row)
    assert line == f"{ROW} is not known to have changed (its time: no change), and still moved tiles 7 -> 9 (+28.6 %)"


def test_a_count_that_varies_by_itself_is_not_told():
    commits = Commits({"tiles": [7, 9, 8], "waiting": 0.5}, {"tiles": [9, 7, 8], "waiting": 0.5})
    verdict, rounds, by_row, kept = counted(commits)
    assert len(commits.asked) == 3 and len(kept) == 6 and told(verdict, rounds, by_row) == []


def test_what_became_slower_is_looked_at_as_often_as_seconds_need():
    commits = Commits(
        {"tiles": 7, "waiting": [0.50, 0.51, 0.49, 0.5, 0.52, 0.48]},
        {"tiles": 7, "waiting": [0.75, 0.74, 0.76, 0.75, 0.75, 0.76]},
    )
    verdict, rounds, by_row, _ = counted(commits, ratio=1.4)
    assert len(commits.asked) == 6
    [line] = told(verdict, rounds, by_row)
    assert line.startswith(f"{ROW} is worse, and with it moved waiting 0.50 -> 0.75 s (+5")


def test_a_change_with_no_counter_is_told_as_such():
    commits = Commits({"tiles": 7, "waiting": 0.5}, {"tiles": 7, "waiting": 0.5})
    verdict, rounds, by_row, _ = counted(commits, ratio=1.4)
    assert told(verdict, rounds, by_row) == [f"{ROW} is worse, and as before are tiles: the cause is in none of them"]


def test_what_is_recorded_is_not_counted_again():
    commits = Commits({"tiles": 7, "waiting": 0.5}, {"tiles": 7, "waiting": 0.5})
    verdict, rounds, by_row, _ = counted(commits)
    CounterRuns(commits, lambda *pair: None, rounds, by_row).run(verdict)
    assert len(commits.asked) == 1


@pytest.mark.parametrize("figures", [{"tiles": None, "waiting": 0.5}, {"absent": "n/a"}, {"failed": "Error"}, {}])
def test_a_side_that_does_not_say_is_asked_once(figures):
    commits = Commits({"tiles": 7, "waiting": 0.5}, figures)
    verdict, rounds, by_row, kept = counted(commits)
    assert len(commits.asked) == 1 and len(kept) == len(figures) // 2
    assert told(verdict, rounds, by_row) == []


def test_names_agree_with_what_counts():
    """The verdict does not import what needs tiledbsoma."""
    assert counter_runs.CHOSEN == counters.CHOSEN
    assert counter_runs._combination(CASES[0]) == counters.name_of("Read", ("table", 64))
