"""Counters of both commits: how often they are looked at, and where they are kept."""

import re

import pytest
from recorded import CASES, quiet, rounds_of

from alb_core.cases import counters
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Rounds
from alb_core.verdicts import counter_runs
from alb_core.verdicts.counter_runs import CounterRuns, counters_of, moved_counters
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


EQUAL = {"tiles": 7, "waiting": 0.5}
SHORT = {**EQUAL, "waiting": [0.50, 0.51, 0.49, 0.5, 0.52, 0.48]}
LONG = {**EQUAL, "waiting": [0.75, 0.74, 0.76, 0.75, 0.75, 0.76]}


@pytest.mark.parametrize(
    ("base", "head", "ratio", "runs", "kept", "said"),
    [
        # Equal counts are counted once, and seconds tell nothing.
        (EQUAL, {**EQUAL, "waiting": 0.9}, 1.0, 1, 2, None),
        # A count that differs is counted again; one that varies by itself is not told.
        (EQUAL, {**EQUAL, "tiles": 9}, 1.0, 3, 6, "not known to have changed .* moved tiles 7 -> 9 "),
        ({**EQUAL, "tiles": [7, 9, 8]}, {**EQUAL, "tiles": [9, 7, 8]}, 1.0, 3, 6, None),
        # What became slower is counted as often as seconds need.
        (SHORT, LONG, 1.4, 6, 12, "worse, and with it moved waiting 0.50 -> 0.75 s"),
        (EQUAL, EQUAL, 1.4, 6, 12, "worse, and as before are tiles: the cause is in none of them"),
        # A commit without figures is asked once.
        (EQUAL, {**EQUAL, "tiles": None}, 1.0, 1, 1, None),
        (EQUAL, {"absent": "n/a"}, 1.0, 1, 0, None),
        (EQUAL, {"failed": "Error"}, 1.0, 1, 0, None),
        (EQUAL, {}, 1.0, 1, 0, None),
    ],
)
def test_counters_run_as_often_as_they_may_tell_more(base, head, ratio, runs, kept, said):
    commits = Commits(base, head)
    verdict, rounds, by_row, pairs = counted(commits, ratio)
    assert commits.asked == [(["Read('table', 64)"], number % 2 == 0) for number in range(runs)]
    assert len(pairs) == kept
    lines = moved_counters(verdict, rounds, by_row)
    assert len(lines) == (said is not None) and all(re.search(f"{re.escape(ROW)} is {said}", line) for line in lines)


def test_all_rows_are_counted_together_and_what_is_recorded_not_again():
    commits = Commits(EQUAL, EQUAL)
    verdict, rounds, by_row, _ = counted(commits, cases=CASES[:2])
    CounterRuns(commits, lambda *pair: None, rounds, by_row).run(verdict)
    assert commits.asked == [(["Read('table', 64)", "Read('table', 128)"], True)]


def test_names_agree_with_what_counts():
    """The verdict does not import what needs tiledbsoma."""
    assert counter_runs.CHOSEN == counters.CHOSEN
    assert counter_runs._combination(CASES[0]) == counters.name_of("Read", ("table", 64))
