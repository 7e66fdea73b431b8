"""From counted pairs to rates and a threshold."""

import pytest

from alb_core.verdicts.calibration import work_rates
from alb_core.verdicts.calibration.injected import INJECTED_FUNCTIONS, NOTHING, WAITING
from alb_core.verdicts.calibration.work_pairs import LOAD, CountedCase, CountedPair
from alb_core.verdicts.calibration_file import Rate

ROW, OTHER = "read_chunks.ReadChunks.epoch('table')", "data_loader.DataLoader.epoch()"


def pair(size, *changes, load=0, named=""):
    cases = {
        row: CountedCase("1", 10_000_000, round(10_000_000 * (1 + change)), named)
        for row, change in zip((ROW, OTHER), changes, strict=False)
    }
    return CountedPair("b1d77c73", size, load, "valgrind 3.19.0", "2026-11-28T12:00:00Z", cases)


@pytest.mark.parametrize(
    ("largest", "threshold"),
    [(0.0, 0.005), (0.0025, 0.005), (0.0026, 0.006), (0.003, 0.006), (0.00301, 0.007), (0.05, 0.02)],
)
def test_a_threshold_is_twice_what_equal_commits_differ_by_and_between_half_a_percent_and_two(largest, threshold):
    assert work_rates.threshold_of(largest) == pytest.approx(threshold)


def test_without_equal_commits_nothing_is_known():
    assert work_rates.calibration([]) is None and work_rates.calibration([pair("1% native", 0.01)]) is None


def test_differences_are_told_apart_by_load_and_the_largest_decides():
    found = work_rates.calibration(
        [pair(NOTHING, 0.001, -0.002), pair(NOTHING, -0.0005, 0.0001), pair(NOTHING, 0.0, 0.004, load=LOAD)]
    )
    assert (found.pairs, found.pairs_under_load, found.threshold) == (3, 1, pytest.approx(0.008))
    assert (found.whole.largest, found.whole.largest_under_load) == (pytest.approx(0.002), pytest.approx(0.004))
    assert (found.cases[ROW].largest, found.cases[ROW].largest_under_load) == (pytest.approx(0.001), 0.0)
    assert found.whole.false_alarms == found.cases[OTHER].false_alarms == Rate(0, 3)


def test_a_false_alarm_is_a_pair_that_the_threshold_of_the_others_tells():
    quiet = [pair(NOTHING, 0.001, -0.002)] * 5
    found = work_rates.calibration([*quiet, pair(NOTHING, -0.0004, 0.006)])
    assert found.threshold == pytest.approx(0.012)
    assert (found.whole.false_alarms, found.cases[OTHER].false_alarms) == (Rate(1, 6), Rate(1, 6))
    assert found.cases[ROW].false_alarms == Rate(0, 6)
    # Each of two as large is what the other says is usual.
    assert work_rates.calibration([*quiet, *[pair(NOTHING, 0.0, 0.006)] * 2]).whole.false_alarms == Rate(0, 7)
    assert work_rates.calibration([pair(NOTHING, 0.006)]).whole.false_alarms == Rate(1, 1)


def test_one_pair_that_differs_by_much_does_not_blind_a_machine():
    pairs = [pair(NOTHING, 0.001), pair(NOTHING, 0.08, load=LOAD), pair("5% native", 0.05)]
    found = work_rates.calibration(pairs)
    assert (found.threshold, found.differs_by_more, found.whole.found["5% native"]) == (0.02, True, Rate(1, 1))
    assert found.whole.false_alarms == Rate(1, 2) and not work_rates.calibration(pairs[:1]).differs_by_more


def test_a_change_is_found_in_the_cases_where_it_is_large_enough_and_its_function_named():
    native, python = INJECTED_FUNCTIONS["native"], INJECTED_FUNCTIONS["Python"]
    found = work_rates.calibration(
        [
            pair(NOTHING, 0.0001, 0.0),
            pair("1% native", 0.0101, 0.002, named=f"binascii.so {native}"),
            pair("1% native", 0.0103, 0.002, named="libc memcpy"),
            pair("1% Python", 0.0099, 0.006, named=python),
            pair(WAITING, 0.0001, -0.0001),
        ]
    )
    row, other = found.cases[ROW], found.cases[OTHER]
    assert row.found == {"1% native": Rate(2, 2), "1% Python": Rate(1, 1), WAITING: Rate(0, 1)} == found.whole.found
    assert other.found == {"1% native": Rate(0, 2), "1% Python": Rate(1, 1), WAITING: Rate(0, 1)}
    assert row.named == {"1% native": Rate(1, 2), "1% Python": Rate(1, 1)}
    assert row.effects["1% native"] == pytest.approx(0.0102) and other.effects["1% native"] == pytest.approx(0.002)


def test_a_case_that_some_pairs_lack_is_counted_of_those_that_have_it():
    found = work_rates.calibration([pair(NOTHING, 0.0), pair(NOTHING, 0.0, 0.0)])
    assert found.cases[OTHER].false_alarms == Rate(0, 1) and found.cases[ROW].false_alarms == Rate(0, 2)
