"""The search for steps of work: those that a look at every commit finds, by few counts."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from alb_core.verdicts.work_search import intervals, next_places, share

THRESHOLD = 0.005


@st.composite
def histories(draw, distinct=True):
    """Work of a range of commits: some levels with small changes in them; levels that all differ, if so."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    levels = draw(st.lists(st.integers(0, 20), min_size=len(sizes), max_size=len(sizes), unique=distinct))
    noise = st.integers(-200, 200)
    return [
        1_000_000 + 10_000 * level + draw(noise) for level, size in zip(levels, sizes, strict=True) for _ in range(size)
    ]


def linear(work, threshold=THRESHOLD):
    """Steps between neighbours: the place after each."""
    return [place for place in range(1, len(work)) if abs(share(work[place - 1], work[place])) >= threshold]


def searched(*cases, skipped=(), at_once=2):
    """The intervals at the end, by case; how many places were counted beside the ends, and in how many goes."""
    last = len(cases[0]) - 1
    counts = [{0: case[0], last: case[last]} for case in cases]
    goes = 0
    while places := next_places(counts, skipped, THRESHOLD, at_once):
        assert len(set(places)) == len(places) <= at_once and not set(places) & {*counts[0], *skipped}
        goes += 1
        for known, case in zip(counts, cases, strict=True):
            known.update({place: case[place] for place in places})
    return [intervals(known, THRESHOLD) for known in counts], len(counts[0]) - len({0, last}), goes


@given(histories(), st.integers(1, 4))
def test_levels_that_all_differ_are_found_as_by_a_look_at_every_commit(work, at_once):
    [found], counted, _ = searched(work, at_once=at_once)
    assert [after for _, after in found] == linear(work) and all(after - before == 1 for before, after in found)
    assert counted <= max(1, len(found)) * at_once * math.ceil(math.log2(len(work) + 1))


@given(histories(distinct=False), st.integers(1, 4))
def test_every_found_step_is_one_and_what_lies_between_them_has_equal_ends(work, at_once):
    [found], _, _ = searched(work, at_once=at_once)
    after = [place for _, place in found]
    assert set(after) <= set(linear(work))
    edges = [0, *after, len(work)]
    for first, last in itertools.pairwise(edges):
        assert abs(share(work[first], work[last - 1])) < THRESHOLD


@given(st.integers(2, 200), st.data(), st.integers(1, 3))
def test_one_step_is_found_in_as_few_goes_as_there_can_be(size, data, at_once):
    first = data.draw(st.integers(1, size - 1))
    work = [1000 + 100 * (place >= first) for place in range(size)]
    [found], counted, goes = searched(work, at_once=at_once)
    assert found == [(first - 1, first)]
    fewest = next(goes for goes in itertools.count() if (at_once + 1) ** goes >= size - 1)
    assert goes <= fewest and counted <= at_once * goes


@given(histories(), histories())
def test_cases_share_their_counts(one, other):
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    found, counted, _ = searched(one, other)
    assert [[after for _, after in case] for case in found] == [linear(one), linear(other)]
    assert counted <= max(0, size - 2)


@given(histories(), st.data())
def test_a_skipped_commit_widens_the_answer_and_never_falsifies_it(work, data):
    skipped = data.draw(st.sets(st.integers(1, len(work) - 2))) if len(work) > 2 else set()
    [found], _, _ = searched(work, skipped=skipped)
    for before, after in found:
        assert set(range(before + 1, after)) <= skipped
        assert any(before < place <= after for place in linear(work))
    known = [place for place in linear(work) if not {place - 1, place} & skipped]
    assert set(known) <= {after for _, after in found}


@given(st.integers(3, 60), st.data())
def test_of_many_changes_below_the_threshold_the_one_that_passes_half_is_found(size, data):
    small = data.draw(st.lists(st.integers(200, 400), min_size=size, max_size=size))
    work = [1_000_000 + more for more in itertools.accumulate(small)]
    [found], counted, _ = searched(work)
    if share(work[0], work[-1]) >= THRESHOLD:
        [(before, after)] = found
        assert work[before] <= (work[0] + work[-1]) / 2 < work[after]
        assert after - before == 1 and counted <= 2 * math.ceil(math.log2(size))
    else:
        assert found == []
