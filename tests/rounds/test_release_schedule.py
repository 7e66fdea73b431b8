"""What a campaign measures, in which order, and what is left of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, COUNTS, PEAKS

from alb_core.rounds.release_schedule import FEW_ROUNDS, ReleaseSchedule, duration_in_words, release_order
from alb_core.rounds.schedules import Turn


@given(count=st.integers(0, 60), number=st.integers(0, 40))
def test_every_round_meets_every_release_once_beside_its_neighbours(count, number):
    groups = release_order(count, number)
    order = list(itertools.chain(*groups))
    assert sorted(order) == list(range(count)) and all(len(group) <= 2 for group in groups)
    # Around a circle: a round may begin anywhere.
    assert all((two - one) % count in {1, count - 1} for one, two in itertools.pairwise(order))


@pytest.mark.parametrize("count", [2, 3, 5, 34])
def test_a_machine_that_gets_slower_all_the_time_slows_all_releases_alike(count):
    rounds = 12
    times = {index: [] for index in range(count)}
    for number in range(rounds):
        for place, index in enumerate(itertools.chain(*release_order(count, number))):
            times[index].append(number * count + place)
    means = [sum(found) / rounds for found in times.values()]
    # Measured release by release the first and the last would be rounds * (count - 1) apart.
    assert max(means) - min(means) < 0.25 * count


def test_times_get_all_rounds_and_peaks_a_few():
    schedule = ReleaseSchedule(["1", "2"], [CASES[0], PEAKS[0], COUNTS[0]], rounds=12)
    assert schedule.remaining().processes == 2 * (12 + FEW_ROUNDS + FEW_ROUNDS) and schedule.remaining().seconds is None
    schedule.counts["1", PEAKS[0]] = FEW_ROUNDS
    assert schedule.todo("1", 11) == [CASES[0], COUNTS[0]] and schedule.todo("2", 0) == schedule.cases
    assert ReleaseSchedule(["1"], [PEAKS[0]], rounds=2).remaining().processes == 2


def test_what_is_behind_is_brought_up_to_the_round():
    schedule = ReleaseSchedule(["1"], CASES[:2], rounds=5, counts={("1", CASES[0]): 3})
    assert schedule.todo("1", 2) == [CASES[1]] and schedule.todo("1", 3) == CASES[:2]
    schedule.counts["1", CASES[1]] = 9
    assert schedule.todo("1", 4) == [CASES[0]] and schedule.remaining().processes == 2


def test_what_is_left_counts_what_can_be_measured():
    schedule = ReleaseSchedule(["1", "2", "3"], CASES[:3], rounds=4)
    schedule.absent.add(("1", CASES[0]))
    schedule.failures["1", CASES[1]] = "it crashed"
    schedule.unusable["3"] = "it cannot be imported"
    assert schedule.remaining().processes == 4 * (1 + 3) and schedule.todo("3", 0) == []
    schedule.cost = {("1", CASES[2]): 2.0, ("2", CASES[0]): 10.0}
    # Its own cost, the median of the same case elsewhere, or of all there is.
    expected = [schedule.expected_seconds(Turn(case, ("2",), "")) for case in CASES[:3]]
    assert expected == [10.0, 6.0, 2.0]
    assert schedule.remaining().seconds == 4 * (2.0 + 10.0 + 6.0 + 2.0)
    assert schedule.spread(CASES[:3]) == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3599, "1 h 00 min"), (9000, "2 h 30 min")]
)
def test_times_in_words(seconds, words):
    assert duration_in_words(seconds) == words
