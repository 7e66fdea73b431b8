"""The search for the first bad commit: as few tests as halving takes, and wrong as rarely as promised."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from noise import times
from recorded import CASES, PEAKS, noisy, peaks, quiet

from alb_core.rounds.pairs import Pair
from alb_core.verdicts import bisect_search
from alb_core.verdicts.bisect_search import ERROR, Regression, Search

TIME = Regression(CASES[0], math.log(1.25))
MEMORY = Regression(PEAKS[0], 200e6)


@given(st.integers(2, 200), st.data())
def test_halving_finds_it_in_as_few_tests_as_it_can(count, data):
    first = data.draw(st.integers(1, count - 1))
    search = Search([str(place) for place in range(count)])
    while (place := search.next()) is not None:
        search.tell(place, place >= first)
    assert search.candidates == [str(first)] and search.tests <= math.ceil(math.log2(count - 1))


@given(st.integers(2, 60), st.data())
def test_what_is_skipped_widens_the_answer_and_never_falsifies_it(count, data):
    first = data.draw(st.integers(1, count - 1))
    lost = data.draw(st.sets(st.integers(1, count - 2))) if count > 2 else set()
    search = Search([str(place) for place in range(count)])
    while (place := search.next()) is not None:
        if place in lost:
            search.skipped.add(place)
        else:
            search.tell(place, place >= first)
    assert str(first) in search.candidates
    # All but the last could not be told from it.
    assert all(int(commit) in lost for commit in search.candidates[:-1])


def decided(rng, slower, error, most=119):
    """What a test says of a commit that is slower than GOOD by a share, and after how many rounds."""
    rounds = []
    while len(rounds) < most:
        rounds += noisy(rng, 1, slower)
        bad = bisect_search.is_bad(TIME, rounds, error)
        if bad is not None:
            return bad, len(rounds)
    return None, most


@pytest.mark.parametrize(("slower", "bad"), [(0.25, True), (0.0, False)])
def test_a_test_is_right_and_short(slower, bad):
    rng = np.random.default_rng(1)
    answers = [decided(rng, slower, ERROR / 5) for _ in range(60)]
    assert sum(answer is not bad for answer, _ in answers) <= 2
    assert np.median([rounds for _, rounds in answers]) <= 31


def test_a_commit_between_good_and_bad_is_wrong_on_neither_side_more_often_than_promised():
    """The hardest: a commit that is exactly at the line is called bad, and good, as rarely as an error."""
    rng = np.random.default_rng(2)
    half = math.expm1(TIME.half)
    base, head = times(rng, (2000, 25), 2), times(rng, (2000, 25), 2, half)
    called = []
    for one, other in zip(base, head, strict=True):
        rounds = [Pair(tuple(map(float, x)), tuple(map(float, y))) for x, y in zip(one, other, strict=True)]
        called.append(bisect_search.is_bad(TIME, rounds, 0.05))
    for side in (True, False):
        assert called.count(side) / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_the_errors_of_all_tests_add_up_to_what_is_promised():
    for commits in (1, 2, 3, 8, 9, 1000):
        tests = math.ceil(math.log2(commits)) if commits > 1 else 0
        assert bisect_search.error_of_each(commits) * (1 + tests) == pytest.approx(ERROR)


def test_memory_is_told_from_the_extremes_of_a_few_processes():
    error = ERROR / 5
    assert bisect_search.is_bad(MEMORY, peaks(3, 200e6), error) is None
    assert bisect_search.is_bad(MEMORY, peaks(6, 200e6), error) is True
    assert bisect_search.is_bad(MEMORY, peaks(6, 3e6), error) is False
    # Of two equal sides, all of one lie above all of the other in one of C(2n, n) orders.
    least = bisect_search._counts([None] * 20, error)[0]
    assert 4 / 3 / math.comb(2 * least, least) <= error < 4 / 3 / math.comb(2 * least - 2, least - 1)


def test_the_clearest_of_several_is_bisected():
    pairs = {CASES[0]: quiet(20), CASES[1]: quiet(20, 1.5), CASES[2]: quiet(20, 1.2), PEAKS[0]: peaks(8, 300e6)}
    found = bisect_search.regression(pairs, 0.01)
    assert found.case == PEAKS[0] and found.change == pytest.approx(300e6) and found.said == "+300 MB"
    del pairs[PEAKS[0]]
    found = bisect_search.regression(pairs, 0.01)
    assert found.case == CASES[1] and found.half == pytest.approx(math.log(1.5) / 2, abs=0.02)


def test_noise_better_and_equal_are_no_regression():
    rng = np.random.default_rng(3)
    for rounds in (noisy(rng, 20), quiet(20), quiet(20, 0.7), noisy(rng, 20, 0.02)):
        assert bisect_search.regression({CASES[0]: rounds}, 0.01) is None


def test_more_rounds_never_move_the_line():
    rng = np.random.default_rng(4)
    rounds = noisy(rng, 60, 0.5)
    lines = {bisect_search.regression({CASES[0]: rounds[:count]}, 0.01) for count in range(6, 60)} - {None}
    assert len(lines) == 1
