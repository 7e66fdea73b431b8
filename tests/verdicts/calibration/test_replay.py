"""Verdicts of rounds that are there."""

import numpy as np
import pytest
from recorded import CASES, PEAKS, noisy, peaks, quiet
from streams import peaks_of

from alb_core.rounds.cases import Kind
from alb_core.rounds.pairs import LEAST_ROUNDS, MOST_ROUNDS, Pair, Rounds
from alb_core.rounds.schedules import injected_cases
from alb_core.verdicts.calibration import replay
from alb_core.verdicts.calibration.injected import NOTHING
from alb_core.verdicts.judge import MOST_SAMPLES, Judge


def asked_every_round(stream, judge, most):
    """What a verdict does: the judge says before each round what is open."""
    rounds = Rounds.of(list(stream))
    for done in range(max(most, MOST_SAMPLES)):
        for case in judge.still_open(rounds):
            if done < (most if case.kind is Kind.TIME else MOST_SAMPLES):
                rounds.pairs[case].append(stream[case][done])
    return rounds


@pytest.mark.parametrize("seed", range(6))
def test_it_stops_where_a_verdict_would(seed):
    rng = np.random.default_rng(seed)
    slower = [0.0, 0.1, 0.25][seed % 3]
    stream = {case: noisy(rng, 40, slower * (number < 3)) for number, case in enumerate(CASES)}
    stream[PEAKS[0]] = peaks_of(rng, 40, 60e6 * (seed % 2))
    assert replay.replay(stream, Judge(), 33).pairs == asked_every_round(stream, Judge(), 33).pairs


def test_a_clear_answer_needs_few_rounds_and_an_open_one_all():
    stream = {CASES[0]: quiet(40, 2.0), CASES[1]: noisy(np.random.default_rng(0), 40)}
    rounds = replay.replay(stream, Judge(), 20)
    assert len(rounds.pairs[CASES[0]]) in {6, 8} and len(rounds.pairs[CASES[1]]) == 20


def test_disjoint_verdicts_share_no_round_and_leave_none_out_between_them():
    rng = np.random.default_rng(1)
    stream = {case: noisy(rng, 100, 0.25) for case in CASES[:2]} | {PEAKS[0]: peaks_of(rng, 60)}
    found = list(replay.disjoint(stream, Judge(), 13))
    assert len(found) >= 7
    for case in CASES[:2]:
        # Each begins where the one before it ended, and is a part of the stream as it was measured.
        at = 0
        for rounds in found:
            mine = rounds.pairs[case]
            assert mine == list(stream[case][at : at + len(mine)])
            at += max(len(pairs) for other, pairs in rounds.pairs.items() if other.kind is Kind.TIME)
        assert at <= 100 < at + 13
    assert all(rounds.pairs[PEAKS[0]] for rounds in found)


def test_none_begins_that_could_not_end():
    stream = {CASES[0]: quiet(19, 3.0)}
    assert list(replay.disjoint(stream, Judge(), 20)) == [] and not replay.enough(stream, 20)
    assert len(list(replay.disjoint({CASES[0]: quiet(20, 3.0)}, Judge(), 20))) == 1


def test_resampled_rounds_are_those_that_were_measured_in_blocks_and_the_same_for_all_cases():
    stream = {case: [Pair((float(n),), (float(n) + 0.001 * n,)) for n in range(1, 41)] for case in CASES[:3]}
    stream[PEAKS[0]] = peaks(40)
    open_ = Judge(threshold=1e-9)
    found = list(replay.resampled(stream, open_, 20, 5, np.random.default_rng(0)))
    again = list(replay.resampled(stream, open_, 20, 5, np.random.default_rng(0)))
    assert len(found) == 5 and [rounds.pairs for rounds in found] == [rounds.pairs for rounds in again]
    assert len({tuple(rounds.pairs[CASES[0]]) for rounds in found}) == 5
    for rounds in found:
        drawn = [int(pair.base[0]) for pair in rounds.pairs[CASES[0]]]
        assert drawn == [int(pair.base[0]) for pair in rounds.pairs[CASES[1]]][: len(drawn)]
        for at in range(len(drawn) - 1):
            if (at + 1) % replay.BLOCK:
                assert drawn[at + 1] == drawn[at] % 40 + 1


def test_sides_of_equal_commits_change_places_by_blocks_and_for_all_cases_at_once():
    # Whose times are below 100 is BASE.
    stream = {case: [Pair((float(n),), (100.0 + n,)) for n in range(1, 41)] for case in CASES[:3]}
    open_ = Judge(threshold=1e-9)
    turned = []
    for rounds in replay.resampled(stream, open_, 20, 20, np.random.default_rng(0), equal=True):
        drawn = [pair.base[0] >= 100 for pair in rounds.pairs[CASES[0]]]
        assert drawn == [pair.base[0] >= 100 for pair in rounds.pairs[CASES[1]]][: len(drawn)]
        blocks = [drawn[at : at + replay.BLOCK] for at in range(0, len(drawn), replay.BLOCK)]
        assert all(len(set(block)) == 1 for block in blocks)
        turned += [block[0] for block in blocks]
    assert 0.3 < sum(turned) / len(turned) < 0.7


def test_nothing_is_drawn_from_nothing():
    assert list(replay.resampled({CASES[0]: []}, Judge(), 20, 5, np.random.default_rng(0))) == []
    assert list(replay.disjoint({}, Judge(), 20)) == []


@pytest.mark.parametrize(
    ("budget", "rounds"), [(600, 20), (48, 1), (47, 0), (0, 0), (188, LEAST_ROUNDS), (1e9, MOST_ROUNDS)]
)
def test_a_budget_in_rounds(budget, rounds):
    assert replay.rounds_in(budget, opening=4.0, times=24.0, peaks=5.0) == rounds


def test_a_change_without_a_round_is_left_out():
    cases = injected_cases(CASES[:1], {NOTHING: {Kind.TIME: 20}, "5%": {Kind.TIME: 20}, "10%": {Kind.TIME: 20}})
    rounds = Rounds.of(cases)
    rounds.pairs[cases[1]].extend(quiet(3, 1.0))
    assert {size: replay.lengths(stream) for size, stream in replay.streams(rounds).items()} == {
        NOTHING: {Kind.TIME: 0},
        "5%": {Kind.TIME: 3},
    }
