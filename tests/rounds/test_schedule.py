"""What a campaign measures, in which order, and what is left of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, COUNTS, PEAKS

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.rounds.schedule import Grid, turns
from alb_core.rounds.selections import FEW_ROUNDS, chosen

RELEASES = releases_lock.load()


def versions(words):
    return [release.version for release in chosen(words, RELEASES)]


def test_a_range_holds_both_of_its_ends():
    everything = [release.version for release in RELEASES]
    assert versions("..") == everything and versions(" .. ") == everything
    assert versions("1.12.0..1.12.3") == ["1.12.0", "1.12.1", "1.12.2", "1.12.3"]
    assert versions("2.3.0") == versions("2.3.0..2.3.0") == ["2.3.0"]
    assert versions("2.2.0..")[:2] == ["2.2.0", "2.3.0"] and versions("..1.8.1") == ["1.7.3", "1.8.1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("1.0.0..", "no release 1.0.0 in the lock, expected one of 1.7.3 to"),
        ("main", "no release main"),
        ("2.0.0..1.8.1", "the range '2.0.0..1.8.1' is empty: 2.0.0 is newer than 1.8.1, so type 1.8.1..2.0.0"),
        ("1.8.1..2.0.0..2.3.0", "no release 2.0.0..2.3.0"),
        ("", "no release  in the lock"),
    ],
)
def test_what_is_no_range_is_refused(words, said):
    with pytest.raises(AlbError) as refused:
        chosen(words, RELEASES)
    assert said in str(refused.value)


@given(count=st.integers(0, 60), number=st.integers(0, 40))
def test_every_round_meets_every_release_once_beside_its_neighbours(count, number):
    groups = turns(count, number)
    order = list(itertools.chain(*groups))
    assert sorted(order) == list(range(count)) and all(len(group) <= 2 for group in groups)
    # Around a circle: a round may begin anywhere.
    assert all((two - one) % count in {1, count - 1} for one, two in itertools.pairwise(order))


@pytest.mark.parametrize("count", [2, 3, 5, 34])
def test_a_machine_that_gets_slower_all_the_time_slows_all_releases_alike(count):
    rounds = 12
    times = {index: [] for index in range(count)}
    for number in range(rounds):
        for place, index in enumerate(itertools.chain(*turns(count, number))):
            times[index].append(number * count + place)
    means = [sum(found) / rounds for found in times.values()]
    # Measured release by release the first and the last would be rounds * (count - 1) apart.
    assert max(means) - min(means) < 0.25 * count


def test_times_get_all_rounds_and_peaks_a_few():
    grid = Grid(["1", "2"], [CASES[0], PEAKS[0], COUNTS[0]], rounds=12)
    assert grid.left().processes == 2 * (12 + FEW_ROUNDS + FEW_ROUNDS) and grid.left().seconds is None
    grid.counts["1", PEAKS[0]] = FEW_ROUNDS
    assert grid.todo("1", 11) == [CASES[0], COUNTS[0]] and grid.todo("2", 0) == grid.cases
    assert Grid(["1"], [PEAKS[0]], rounds=2).left().processes == 2


def test_what_is_behind_is_brought_up_to_the_round():
    grid = Grid(["1"], CASES[:2], rounds=5, counts={("1", CASES[0]): 3})
    assert grid.todo("1", 2) == [CASES[1]] and grid.todo("1", 3) == CASES[:2]
    grid.counts["1", CASES[1]] = 9
    assert grid.todo("1", 4) == [CASES[0]] and grid.left().processes == 2


def test_what_is_left_counts_what_can_be_measured():
    grid = Grid(["1", "2", "3"], CASES[:3], rounds=4)
    grid.absent.add(("1", CASES[0]))
    grid.failures["1", CASES[1]] = "it crashed"
    grid.out["3"] = "it cannot be imported"
    assert grid.left().processes == 4 * (1 + 3) and grid.todo("3", 0) == []
    grid.cost = {("1", CASES[2]): 2.0, ("2", CASES[0]): 10.0}
    # Its own cost, the median of the same case elsewhere, or of all there is.
    assert grid.expected("2", CASES[2]) == 2.0 and grid.expected("2", CASES[1]) == 6.0
    assert grid.left().seconds == 4 * (2.0 + 10.0 + 6.0 + 2.0)
    assert grid.spread(CASES[:3]) == (0, 0)
