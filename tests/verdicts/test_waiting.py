"""Waiting is excluded by few rounds where there is none, and hardly ever where there is. Noise as measured."""

import numpy as np
import pytest

from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds.pairs import Pair
from alb_core.verdicts.waiting import LOOKS, excluded, has_epochs, waiting_ratios

#: Standard deviation of a round's ratio, by case of a verdict: two readers in order and shuffled, csr, two loaders.
SPREADS = np.array([0.034, 0.022, 0.065, 0.013, 0.020])


def share_excluded(waits, rounds, runs=400):
    """Share of runs in which so many rounds exclude waiting; ``waits`` says by how much each case takes longer."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, 1, (runs, 5, rounds)) * SPREADS[:, None] + np.log1p(waits)[:, None]
    return np.mean([excluded(run) for run in drawn])


def test_equal_commits_are_excluded_by_six_rounds():
    assert share_excluded(np.zeros(5), 4) > 0.6
    assert share_excluded(np.zeros(5), 6) > 0.9
    assert share_excluded(np.zeros(5), 10) > 0.99


@pytest.mark.parametrize(
    ("waits", "most"),
    [
        # In all cases, and in one that is as quiet as most are.
        ([0.1] * 5, 0.0),
        ([-0.1] * 5, 0.0),
        ([0.05] * 5, 0.06),
        ([0, 0, 0, 0.1, 0], 0.005),
        ([0, 0.1, 0, 0, 0], 0.02),
        ([0.2, 0, 0, 0, 0], 0.0),
        # csr varies most of all.
        ([0, 0, 0.2, 0, 0], 0.005),
    ],
)
def test_waiting_is_hardly_ever_excluded_however_many_rounds(waits, most):
    assert share_excluded(np.array(waits), 25) <= most


def test_a_slow_machine_is_no_waiting_and_a_sleep_is():
    def pair(slow, sleep):
        base, head = EpochSeconds(1.0, 1.5), EpochSeconds(slow + sleep, 1.5 * slow)
        return Pair((1.0,), (1.0,), (base, base), (head, head))

    quiet = [pair(1 + 0.1 * n, 0.0) for n in range(6)]
    assert waiting_ratios(quiet) == pytest.approx([0] * 6, abs=1e-9) and excluded([waiting_ratios(quiet)] * 5)
    assert waiting_ratios([pair(2.0, 0.4)]) == pytest.approx([np.log(1.2)])


def test_recorded_rounds_and_few_ones_say_nothing():
    recorded = Pair((1.0,), (1.0,))
    assert not has_epochs(recorded) and waiting_ratios([recorded] * 9) == []
    assert not excluded([]) and not excluded([[0.0] * (LOOKS[0] - 1)] * 5)
    # Each case needs its rounds.
    assert not excluded([[0.0] * 9] * 4 + [[0.0] * 3])


def test_once_excluded_it_stays_so():
    ratios = [[0.001 * (-1) ** n for n in range(4)] + [0.5] * 6] * 5
    assert excluded(ratios)
