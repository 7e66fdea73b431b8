"""The budget: rounds in alternating order, until every answer is clear or the time is spent."""

import io
import itertools
import threading

import pytest
from asv.util import UserError
from fake_bench import FakeBench
from recorded import CASES, PEAKS
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.rounds import measure as measure_module
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.measure import measure
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.schedules import BASE, HEAD, PairSchedule
from alb_core.verdicts.judge import Judge


def run(bench, rounds, budget, judge=None):
    """Measure; how it went, and the pairs that were kept."""
    kept = []
    schedule = PairSchedule(rounds, (judge or Judge()).still_open, budget)
    done = measure(bench, schedule, kept.append, budget, clock=bench.clock)
    if not done.interrupted:
        schedule.require_one_round(done.seconds, budget)
    return done, [result for result in kept if result.complete]


def test_clear_answers_end_it_early():
    bench = FakeBench({CASES[0]: (1.0, 2.0), CASES[1]: (1.0, 1.0)})
    rounds = Rounds.of(CASES[:2])
    done, kept = run(bench, rounds, 10_000)
    assert 6 <= len(rounds.pairs[CASES[0]]) <= 10 and done.seconds < 100
    assert done.turns == len(kept) == sum(map(len, rounds.pairs.values()))
    assert Judge().still_open(rounds) == []


def test_the_bar_never_goes_beyond_its_budget(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(measure_module, "tqdm", lambda **words: tqdm(**{**words, "disable": False, "file": shown}))
    run(FakeBench({CASES[0]: (10.0, 10.0)}), Rounds.of(CASES[:1]), 15.0)
    assert "15/15 s" in shown.getvalue() and "None" not in shown.getvalue()


def test_rounds_go_where_the_answer_is_open():
    bench = FakeBench({CASES[0]: (1.0, 3.0), CASES[1]: (1.0, 1.04)})
    rounds = Rounds.of(CASES[:2])
    run(bench, rounds, 200)
    assert len(rounds.pairs[CASES[1]]) > 2 * len(rounds.pairs[CASES[0]])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_case_alternates_which_commit_is_first(count):
    bench = FakeBench(dict.fromkeys(CASES, (1.0, 1.03)))
    run(bench, Rounds.of(CASES[:count]), 20.0 * count, Judge(threshold=0.001))
    for case in CASES[:count]:
        first = [commit for commit, ran in bench.ran[::2] if ran is case]
        assert len(first) >= 4 and all(one != other for one, other in itertools.pairwise(first))


def test_a_second_call_goes_on_with_the_other_commit_first():
    bench = FakeBench({CASES[0]: (1.0, 1.03)})
    rounds = Rounds.of(CASES[:1])
    rounds.pairs[CASES[0]] += [Pair((1.0,), (1.0,))]
    run(bench, rounds, 3.0, Judge(threshold=0.001))
    assert bench.ran[0] == (HEAD, CASES[0])


def test_a_budget_too_small_for_one_round_says_what_one_takes_and_keeps_what_there_is():
    bench = FakeBench(dict.fromkeys(CASES, (10.0, 10.0)))
    for budget, measured in ((55.0, 3), (25.0, 1)):
        bench.ran.clear()
        # One that is far too small is refused as soon as that is known.
        said = rf"{budget:.0f} s is too small for one round of 4 .*\({measured} were measured.*about 8\d s.*-b"
        with pytest.raises(AlbError, match=said):
            run(bench, Rounds.of(CASES), budget)
        assert len(bench.ran) == 2 * measured


def test_a_small_budget_is_enough_where_rounds_are_recorded():
    bench = FakeBench({CASES[0]: (10.0, 10.0)})
    rounds = Rounds.of(CASES[:1])
    rounds.pairs[CASES[0]] += [Pair((10.0,), (10.0,))] * 3
    done, _ = run(bench, rounds, 1e-9)
    assert done.turns == 0 and not done.interrupted


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_interrupt_keeps_what_is_done(error):
    bench = FakeBench(dict.fromkeys(CASES, (1.0, 1.02)), interrupt_at=12, error=error)
    rounds = Rounds.of(CASES)
    done, kept = run(bench, rounds, 1000.0, Judge(threshold=0.001))
    assert done.interrupted and len(kept) == 6 == sum(map(len, rounds.pairs.values()))


def test_another_fault_of_asv_is_no_interrupt():
    class FaultError(UserError):
        def __init__(self, *_):
            super().__init__("Process exited with code 1")

    bench = FakeBench({CASES[0]: (1.0, 1.0)}, interrupt_at=0, error=FaultError)
    with pytest.raises(UserError, match="code 1"):
        run(bench, Rounds.of(CASES[:1]), 100.0)


def test_a_case_that_fails_is_named_and_left_out():
    failed = ProcessResult(said="Traceback\nValueError: rows 3, expected 4\n")
    gives = dict.fromkeys([(HEAD, CASES[1]), (BASE, CASES[2]), (HEAD, CASES[2])], failed)
    bench = FakeBench(dict.fromkeys(CASES, (1.0, 2.0)), gives=gives)
    rounds = Rounds.of(CASES[:3])
    run(bench, rounds, 1000.0)
    assert rounds.failures == {
        CASES[1]: "HEAD: ValueError: rows 3, expected 4",
        CASES[2]: "BASE and HEAD: ValueError: rows 3, expected 4",
    }
    assert len(rounds.pairs[CASES[0]]) >= 6 and bench.ran.count((BASE, CASES[1])) == 1


def test_what_a_commit_cannot_do_is_absent():
    bench = FakeBench({PEAKS[0]: (1.0, 1.0)}, gives={(BASE, PEAKS[0]): ProcessResult(absent=True)})
    rounds = Rounds.of(PEAKS[:1])
    run(bench, rounds, 100.0)
    assert rounds.absent == {PEAKS[0]: "BASE"} and rounds.failures == {}


@pytest.mark.parametrize(("cases", "beside"), [(PEAKS, True), (CASES, False)])
def test_peaks_are_taken_beside_each_other_and_times_are_not(cases, beside):
    running, most = [], []
    together = threading.Barrier(2, timeout=30)

    class Bench(FakeBench):
        def run(self, commit, case):
            running.append(commit)
            most.append(len(running))
            if beside:
                together.wait()
            running.remove(commit)
            return super().run(commit, case)

    run(Bench({cases[0]: (1.0, 2.0)}), Rounds.of(cases[:1]), 1000.0)
    assert max(most) == 1 + beside
