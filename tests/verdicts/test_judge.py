"""From rounds to words."""

from dataclasses import replace

import numpy as np
import pytest
from recorded import CASES, COUNTS, PEAKS, noisy, peaks, quiet, rounds_of, saying, works

from alb_core.cases.work import Work
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.verdicts import judge
from alb_core.verdicts.judge import LEAST_BYTES, Judge
from alb_core.verdicts.statistics import Word
from alb_core.verdicts.work_changes import ComparedWork, change_of


def verdict(rounds, **options):
    return Judge(**options).verdict(rounds)


def only(found):
    [row] = [row for row in found.rows if not row.together]
    return row


@pytest.mark.parametrize(
    ("ratio", "word", "status"), [(1.25, Word.WORSE, 1), (0.8, Word.BETTER, 0), (1.0, Word.SAME, 0)]
)
def test_a_clear_change_has_its_word_and_its_status(ratio, word, status):
    found = verdict(rounds_of(CASES_0=quiet(20, ratio)))
    time = only(found).time
    assert (time.word, found.word, found.exit_status) == (word, word, status)
    assert time.low < time.change < time.high and time.change == pytest.approx(ratio - 1, abs=0.03)
    # Of repeats that always lie 30 % apart, neither is a burst.
    assert time.base == pytest.approx(1.3**0.5, abs=0.03) and time.head == pytest.approx(1.3**0.5 * ratio, abs=0.03)


def test_noise_is_not_known_and_visible_says_why():
    found = verdict(rounds_of(CASES_0=noisy(np.random.default_rng(0), 10)))
    time = only(found).time
    assert (time.word, found.word, found.exit_status) == (Word.UNKNOWN, Word.UNKNOWN, 0)
    assert time.visible > 0.1


def test_nothing_changes_after_an_answer_was_reached():
    early = quiet(6, 1.5)
    time = only(verdict(rounds_of(CASES_0=[*early, *quiet(10, 1.0)]))).time
    assert time == only(verdict(rounds_of(CASES_0=early))).time or time.rounds <= 8
    assert time.word is Word.WORSE


def test_a_threshold_turns_a_small_sure_change_into_none():
    rounds = rounds_of(CASES_0=quiet(25, 1.06))
    assert only(verdict(rounds)).time.word is Word.WORSE
    assert only(verdict(rounds, threshold=0.2)).time.word is Word.SAME
    # A case's own, from a calibration; one that is typed goes before it.
    own = {CASES[0].name: 0.2}
    assert only(verdict(rounds, thresholds=own)).time.word is Word.SAME
    assert only(verdict(rounds, threshold=0.05, thresholds=own)).time.word is Word.WORSE


def test_what_slows_all_cases_is_found_together_before_it_is_in_each():
    rng = np.random.default_rng(1)
    together, alone = 0, 0
    for _ in range(25):
        found = verdict(rounds_of(**{f"CASES_{n}": noisy(rng, 20, slower=0.05) for n in range(4)}))
        [row] = [row for row in found.rows if row.together]
        assert row.name == "read.Read.epoch, 4 together"
        together += row.time.word is Word.WORSE
        alone += found.counts[Word.WORSE]
        assert (found.word is Word.WORSE) >= (row.time.word is Word.WORSE)
    assert together >= 10 and alone / 4 < together - 3


def test_several_benchmarks_are_judged_together_too():
    other = [replace(case, benchmark="load.Load.time_epoch") for case in CASES]
    found = verdict(Rounds({case: quiet(10, 1.5) for case in [*CASES, *other[:2]]}))
    assert [row.name for row in found.rows if row.together] == ["read.Read.epoch, 4 together", "all, 6 together"]
    assert found.counts[Word.WORSE] == 6


def test_half_of_what_may_be_wrong_is_for_all_of_them(monkeypatch):
    shares = {}

    def holm(sequences, alpha, weights, usual):
        shares["weights"] = [weight / sum(weights) for weight in weights]
        return [alpha] * len(sequences)

    monkeypatch.setattr(judge.statistics, "holm", holm)
    other = [replace(case, benchmark="load.Load.time_epoch") for case in CASES]
    verdict(Rounds({case: quiet(6) for case in [*CASES, *other[:2]]}))
    assert shares["weights"] == pytest.approx([1 / 14] * 7 + [1 / 2])
    # Where there is one benchmark alone, its cases together are a test like any other.
    verdict(Rounds({case: quiet(6) for case in CASES}))
    assert shares["weights"] == pytest.approx([1 / 5] * 5)


@pytest.mark.parametrize(
    ("more", "word"),
    [(200e6, Word.WORSE), (-200e6, Word.BETTER), (0, Word.SAME), (8e6, Word.SAME), (LEAST_BYTES / 2, Word.SAME)],
)
def test_memory(more, word):
    found = verdict(rounds_of(PEAKS_0=peaks(4, more)))
    memory = only(found).memory
    assert (memory.word, found.word) == (word, word)
    assert memory.change * memory.base == pytest.approx(more, abs=1e6) and memory.rounds == 4


def test_time_and_memory_of_one_thing_are_one_row():
    found = verdict(rounds_of(CASES_0=quiet(20), PEAKS_0=peaks(4), PEAKS_1=peaks(4, 300e6)))
    assert [row.name for row in found.rows] == ["read.Read.epoch('table', 64)", "read.Read.epoch('table', 128)"]
    assert found.rows[0].time.word is Word.SAME and found.rows[0].memory.word is Word.SAME
    assert found.rows[1].time is None and found.word is Word.WORSE
    assert found.counts == {Word.WORSE: 1, Word.BETTER: 0, Word.SAME: 2, Word.UNKNOWN: 0}


def test_what_failed_is_noted_and_the_rest_is_judged():
    rounds = rounds_of(CASES_0=quiet(8), CASES_1=[], CASES_2=[])
    rounds.failures[CASES[1]] = "HEAD: ValueError: no"
    rounds.absent[CASES[2]] = "BASE"
    found = verdict(rounds)
    assert [row.notes for row in found.rows] == [
        (),
        ("read.Read.time_epoch: failed on HEAD: ValueError: no",),
        ("read.Read.time_epoch: n/a on BASE",),
    ]
    # What failed may hide a regression, so there is no "no change" of the whole.
    assert (found.word, found.exit_status) == (Word.UNKNOWN, 0)
    assert found.rows[1].time is None and found.rows[2].time is None


@pytest.mark.parametrize(
    ("rounds", "failed"),
    [
        ({}, False),
        ({"CASES_0": quiet(5, 3.0)}, False),
        ({"CASES_0": []}, True),
        ({"PEAKS_0": peaks(3, 1e9)}, False),
        ({"COUNTS_0": [Pair((1.0,), (1.0,))]}, False),
    ],
)
def test_of_too_little_nothing_is_said(rounds, failed):
    rounds = rounds_of(**rounds)
    if failed:
        rounds.failures[CASES[0]] = "BASE and HEAD: no"
    found = verdict(rounds)
    assert (found.judged, found.exit_status, found.word) == (False, 3, Word.UNKNOWN)
    assert all(change.change is None for row in found.rows for change in (row.time, row.memory) if change)


def test_counters_that_moved_are_told_and_decide_nothing():
    moved = [Pair((7.0,), (9.0,))] * 2
    found = verdict(rounds_of(CASES_0=quiet(20), COUNTS_0=moved, COUNTS_1=[Pair((7.0,), (7.0,))] * 2))
    assert found.moved == ("a counter moved: read.Read.track_tiles('table', 64): 7 -> 9",)
    assert found.word is Word.SAME and len(found.rows) == 1


def test_open_is_what_more_rounds_may_tell():
    rng = np.random.default_rng(4)
    rounds = rounds_of(
        CASES_0=noisy(rng, 10),
        CASES_1=quiet(10, 2.0),
        CASES_2=[],
        CASES_3=[],
        PEAKS_0=peaks(3),
        PEAKS_1=peaks(4),
        PEAKS_2=[Pair((5e8 + n * 4e7,), (5.6e8 - n * 3e7,)) for n in range(4)],
        COUNTS_0=[Pair((1.0,), (1.0,))],
        COUNTS_1=[Pair((1.0,), (1.0,))] * 2,
    )
    rounds.failures[CASES[3]] = "x"
    assert Judge().still_open(rounds) == [CASES[0], CASES[2], PEAKS[0], PEAKS[2], COUNTS[0]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([Word.SAME, Word.UNKNOWN, Word.WORSE, Word.BETTER], Word.WORSE),
        ([Word.SAME, Word.UNKNOWN, Word.BETTER], Word.BETTER),
        ([Word.SAME, Word.UNKNOWN], Word.UNKNOWN),
        ([Word.SAME], Word.SAME),
        ([], Word.UNKNOWN),
    ],
)
def test_the_word_of_the_whole(words, expected):
    assert judge.overall_word(words) is expected


SAME_WORK = works(CASES_0=1.0, CASES_1=1.001, CASES_2=0.999, CASES_3=1.0)


def wobbly(rounds, waits=0.0):
    """Rounds of a machine that is far too noisy for the clock."""
    rng = np.random.default_rng(rounds)
    return saying(noisy(rng, rounds), waits)


def test_where_no_case_does_other_work_the_clock_has_only_to_exclude_waiting():
    rounds = rounds_of(**{f"CASES_{n}": wobbly(4) for n in range(4)})
    assert Judge().still_open(rounds, SAME_WORK) == [] and Judge().still_open(rounds) == CASES
    found = Judge().verdict(rounds, SAME_WORK)
    assert (found.word, found.by, found.exit_status) == (Word.SAME, ("work", "time"), 0)
    assert all(row.time.no_waiting and row.time.word is Word.SAME for row in found.rows)
    assert found.counts[Word.SAME] == 8 and Judge().verdict(rounds).word is Word.UNKNOWN


def test_what_waits_is_for_the_clock():
    rounds = rounds_of(**{f"CASES_{n}": saying(quiet(5), 0.2 * (n == 1)) for n in range(4)})
    assert Judge().still_open(rounds, SAME_WORK) == CASES
    rounds = rounds_of(**{f"CASES_{n}": saying(quiet(20), 0.2 * (n == 1)) for n in range(4)})
    found = Judge().verdict(rounds, SAME_WORK)
    assert (found.word, found.by, found.exit_status) == (Word.WORSE, ("time",), 1)


def test_other_work_of_the_clocks_threshold_and_recorded_rounds_are_for_the_clock():
    rounds = rounds_of(CASES_0=wobbly(4), CASES_1=wobbly(4), CASES_2=noisy(np.random.default_rng(0), 4), CASES_3=[])
    work = works(CASES_0=1.04, CASES_1=1.06, CASES_2=1.0, CASES_3=1.0)
    assert Judge().still_open(rounds, work) == CASES[1:]
    # By a case's own threshold, from a calibration.
    assert Judge(thresholds={CASES[1].name: 0.1}).still_open(rounds, work) == CASES[2:]


@pytest.mark.parametrize(
    ("more", "options", "word", "status"),
    [
        (1.01, {}, Word.WORSE, 1),
        (0.99, {}, Word.BETTER, 0),
        (1.004, {}, Word.SAME, 0),
        (1.01, {"threshold": 0.02}, Word.SAME, 0),
        (1.01, {"work_threshold": 0.02}, Word.SAME, 0),
    ],
)
def test_work_has_a_word_of_its_own(more, options, word, status):
    found = verdict_of_work(works(CASES_0=more, CASES_1=1.0), **options)
    assert (found.word, found.exit_status) == (word, status) and found.rows[0].work.word is word
    assert found.by == (("work", "time") if word is Word.SAME else ("work",))


def verdict_of_work(work, rounds=None, **options):
    return Judge(**options).verdict(rounds or rounds_of(CASES_0=wobbly(8), CASES_1=wobbly(8)), work)


def test_counts_that_overlap_say_nothing():
    change = change_of([Work(1000), Work(1015)], [Work(1010)])
    found = verdict_of_work(
        ComparedWork("valgrind 3", {CASES[0].row: change, CASES[1].row: change_of([Work(9)], [Work(9)])})
    )
    assert (found.word, found.by) == (Word.UNKNOWN, ("work",))


@pytest.mark.parametrize(("more", "ratio", "word", "status"), [(1.4, 0.7, Word.BETTER, 0), (0.7, 1.4, Word.WORSE, 1)])
def test_where_work_and_time_contradict_one_another_the_clock_is_believed(more, ratio, word, status):
    found = verdict_of_work(works(CASES_0=more), rounds_of(CASES_0=saying(quiet(20, ratio))))
    assert (found.word, found.by, found.exit_status) == (word, ("time",), status) and only(found).contradicted


def test_work_alone_is_a_verdict_and_what_could_not_be_counted_is_noted():
    work = replace(works(CASES_0=1.02), notes={CASES[1].row: "failed on HEAD: no"})
    found = Judge().verdict(Rounds({}), work)
    assert (found.judged, found.word, found.by, found.exit_status) == (True, Word.WORSE, ("work",), 1)
    assert [row.notes for row in found.rows] == [(), ("work: failed on HEAD: no",)]
    # What failed may hide a change.
    lost = replace(works(CASES_0=1.0), notes=work.notes, failed=frozenset(work.notes))
    assert Judge().verdict(Rounds({}), lost).word is Word.UNKNOWN
    nothing = Judge().verdict(Rounds({}), ComparedWork())
    assert (nothing.judged, nothing.exit_status) == (False, 3)


def test_memory_decides_beside_the_same_work():
    found = verdict_of_work(SAME_WORK, rounds_of(CASES_0=wobbly(8), PEAKS_0=peaks(4, 300e6)))
    assert (found.word, found.by) == (Word.WORSE, ("memory",))


def test_cases_together_are_without_waiting_only_where_each_is_the_same():
    rounds = rounds_of(CASES_0=wobbly(6), CASES_1=wobbly(6), CASES_2=quiet(20, 1.4))
    found = Judge().verdict(rounds, works(CASES_0=1.0, CASES_1=1.0, CASES_2=1.0))
    [together] = [row for row in found.rows if row.together]
    assert not together.time.no_waiting and found.word is Word.WORSE


def test_time_of_all_together_overrules_more_work_of_one():
    rounds = rounds_of(**{f"CASES_{n}": quiet(6, 0.8) for n in range(3)})
    single = Judge(alpha=1e-9).verdict(rounds, works(CASES_0=1.02))
    assert (single.word, single.by) == (Word.WORSE, ("work",))
    found = Judge().verdict(rounds_of(**{f"CASES_{n}": quiet(25, 0.8) for n in range(3)}), works(CASES_0=1.02))
    assert (found.word, found.by) == (Word.BETTER, ("time",))


def test_a_smaller_threshold_excludes_less_waiting():
    rounds = rounds_of(**{f"CASES_{n}": wobbly(6, waits=0.05) for n in range(2)})
    same = works(CASES_0=1.0, CASES_1=1.0)
    assert Judge().verdict(rounds, same).word is Word.SAME
    assert Judge(threshold=0.02).verdict(rounds, same).word is Word.UNKNOWN
