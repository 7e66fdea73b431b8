"""How often verdicts are right, counted."""

import itertools

import numpy as np
import pytest
from recorded import BENCHMARKS, CASES, PEAK, PEAKS, TIME
from streams import streams

from alb_core.verdicts.calibration import rates as rates_module
from alb_core.verdicts.calibration.injected import NOTHING
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.statistics import ALPHA

VERSIONS = dict.fromkeys(BENCHMARKS, "1")
WAITING = "10% waiting"
RUNS = {TIME: 4, PEAK: 1}


@pytest.fixture(scope="module")
def counted():
    """Of many rounds, so that there are verdicts without a round in common."""
    told = []
    found = rates_module.count(
        streams(np.random.default_rng(0), 300), Judge(), 20, 40, VERSIONS, RUNS, lambda: told.append(1)
    )
    return *found, len(told)


def test_equal_commits_are_rarely_called_different(counted):
    benchmarks, whole, _ = counted
    for known in (*benchmarks.values(), whole):
        assert known.false_alarms.of >= 15 and known.resampled_false_alarms.of == 40
        # The bound is an average, and these are counts: no more than chance gives it in one of a thousand.
        assert known.false_alarms.count <= 5 and known.resampled_false_alarms.count <= 8
    assert sum(known.false_alarms.count for known in benchmarks.values()) <= ALPHA * 15 * 4


def test_more_is_found_more_often(counted):
    benchmarks, whole, _ = counted
    for known in (benchmarks[CASES[0].name], benchmarks[CASES[1].name], whole):
        sizes = ("5%", "10%", "25%")
        for one, other in itertools.pairwise([known.resampled_power[size].rate for size in sizes]):
            assert one <= other
        assert known.resampled_power["5%"].rate < known.resampled_power["25%"].rate >= 0.95
        assert known.power["10%"].rate <= known.power["25%"].rate >= 0.95


def test_memory_is_found_and_stands_apart_from_time(counted):
    benchmarks, whole, _ = counted
    known = benchmarks[PEAKS[0].name]
    assert set(known.power) == {"200MB"} and set(benchmarks[CASES[0].name].power) == {"5%", "10%", "25%", WAITING}
    assert known.power["200MB"].rate == 1 and known.power["200MB"].of >= 30
    assert whole.power["200MB"].rate == 1 and set(whole.power) == {"5%", "10%", "25%", "200MB", WAITING}


def test_each_change_is_measured_by_all_rounds(counted):
    benchmarks, _, _ = counted
    for size, change in {NOTHING: 0.0, "5%": 0.05, "10%": 0.10, "25%": 0.25}.items():
        effect = benchmarks[CASES[0].name].effects[size]
        assert effect.low < effect.change < effect.high and effect.change == pytest.approx(change, abs=0.02)
    assert benchmarks[PEAKS[0].name].effects["200MB"].change == pytest.approx(0.4, abs=0.02)


def test_what_favours_a_side_for_good_is_not_hidden():
    """Rounds drawn anew are of sides that changed places; what always favours one shows in all the rest."""
    many = streams(np.random.default_rng(1), 120, cases=1)
    many[NOTHING][CASES[0]] = many["10%"][CASES[0]]
    benchmarks, whole = rates_module.count(many, Judge(), 20, 20, VERSIONS, RUNS)
    known = benchmarks[CASES[0].name]
    assert known.effects[NOTHING].low > 0.05
    assert known.false_alarms.count >= known.false_alarms.of / 2 and whole.false_alarms.of >= 5
    assert known.resampled_false_alarms.count <= 3


def test_versions_what_is_visible_and_progress(counted):
    benchmarks, whole, told = counted
    known = benchmarks[CASES[0].name]
    assert known.version == "1" and whole.version == "" and 0.02 < known.visible < 0.3
    assert whole.visible <= known.visible
    assert told == sum(r.of for r in (whole.false_alarms, whole.resampled_false_alarms)) + sum(
        rate.of for rates in (whole.power, whole.resampled_power) for rate in rates.values()
    )


@pytest.mark.parametrize(("noise", "least", "most"), [(0.001, 0.05, 0.05), (0.1, 0.12, 0.35)])
def test_a_step_is_what_runs_of_one_commit_rarely_differ_by(noise, least, most):
    rng = np.random.default_rng(0)
    sequences = [[tuple(map(float, np.exp(rng.normal(0, noise, 2)))) for _ in range(200)] for _ in range(3)]
    found = rates_module.step(sequences, 4)
    assert least <= found <= most and round(100 * found) == pytest.approx(100 * found)
    assert rates_module.step(sequences, 1) >= found


def test_few_runs_make_no_step():
    assert rates_module.step([[(1.0,)] * 15], 4) is None and rates_module.step([], 4) is None
    assert rates_module.step([[(1.0,)] * 16], 4) == 0.05
