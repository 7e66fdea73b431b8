"""Medians, ranges, and ratios paired by round."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import outcome, run

from alb_core.peers.compare.results import fastest, ratio

RATES = st.lists(st.floats(100, 1e5), min_size=1, max_size=5)


def test_rates_count_the_first_batch_and_leave_it_out() -> None:
    one = run()
    assert (one.rate, one.rate_after_first) == (3000, 3625)
    assert (one.waiting_share, one.waiting_after_first) == (0.4, 0.25)
    single = run(rows_after_first=0, after_first=0.0)
    assert (single.rate_after_first, single.waiting_after_first) == (None, None)


def test_medians_and_ranges() -> None:
    found = outcome(rates=(3000, 1000, 2000))
    assert found.middle(lambda run: run.rate) == pytest.approx(2000)
    assert found.extremes(lambda run: run.rate) == pytest.approx((1000, 3000))
    assert found.middle(lambda run: None) is None
    found.state = "wrong"
    assert found.middle(lambda run: run.rate) is None, "a figure that was not earned is none"


def test_a_ratio_is_of_one_round() -> None:
    """The computer was half as fast in the second round: it drops out."""
    found = ratio(outcome(rates=(4000, 2000, 4400)), outcome(rates=(2000, 1000, 2000)))
    assert found is not None
    assert (found.middle, found.low, found.high, found.rounds) == pytest.approx((2.0, 2.0, 2.2, 3))


def test_a_round_that_one_lacks_is_left_out() -> None:
    short = outcome(rates=(1000, 1000, 1000))
    del short.runs[0]
    found = ratio(outcome(rates=(9000, 2000, 3000)), short)
    assert found is not None and (found.low, found.high, found.rounds) == pytest.approx((2, 3, 2))
    short.runs.clear()
    assert ratio(outcome(), short) is None


@given(RATES, st.floats(0.01, 100))
def test_a_computer_of_another_speed_has_the_same_ratios(rates: list[float], factor: float) -> None:
    found = ratio(outcome(rates=[rate * factor for rate in rates]), outcome(rates=rates))
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((factor, factor, factor))


def test_the_fastest_is_by_its_median() -> None:
    steady, lucky = outcome("a", rates=(2000, 2000, 2000)), outcome("b", rates=(9000, 1000, 1000))
    assert fastest([lucky, steady]) is steady
    assert fastest([outcome(state="failed"), steady]) is steady
    assert fastest([outcome(state="n/a")]) is None


def test_json_has_all_runs() -> None:
    content = json.loads(json.dumps(outcome(rates=(2000, 4000)).as_json()))
    assert [one["rate"] for one in content["runs"]] == [2000, 4000]
    assert (content["loader"], content["setting"], content["state"]) == ("ours", "best", "measured")
    assert content["workload"]["chunk_size"] == 64 and "location" not in content["workload"]
