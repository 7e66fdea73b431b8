"""How noisy the machine is: fixed work, and what its spread means."""

import pytest

from alb_core.base.errors import AlbError
from alb_core.rounds import canary


def test_it_runs_for_the_time_it_is_given_and_times_both_parts():
    seen = canary.look(seconds=0.5)
    assert set(seen.seconds) == set(seen.spread) == {"numpy", "read"}
    assert all(0 < seconds < 5 for seconds in seen.seconds.values())
    assert seen.expected == canary.EXPECTED


def test_its_spread_is_that_of_the_middle_four_fifths():
    seen = canary.seen({"numpy": [100.0, *[1.0] * 20, 0.001]}, {})
    assert seen.spread == {"numpy": 0.0} and not seen.noisy and "as quiet as it should be" in seen.said


def test_more_than_is_expected_is_told():
    times = {"numpy": [1.0 + 0.04 * n for n in range(11)], "read": [1.0] * 11}
    seen = canary.seen(times, {"read": 0.5})
    assert seen.noisy == ["numpy"]
    assert "numpy 27 % (expected 15 %), read 0 % (expected 50 %)" in seen.said and "takes more rounds" in seen.said
    assert canary.seen(times, {"numpy": 0.2}).noisy == []


def test_a_calibration_of_quiet_minutes_makes_no_usual_one_noisy():
    seen = canary.seen({"numpy": [1.0 + 0.01 * n for n in range(11)]}, {"numpy": 0.01})
    assert seen.spread["numpy"] > 1.5 * 0.01 and not seen.noisy


def test_a_canary_that_cannot_run_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(canary.sys, "executable", "/nowhere/python")
    with pytest.raises(AlbError, match="the canary failed"):
        canary.look(seconds=0.1)
