"""The budget: rounds in alternating order, until every answer is clear or the time is spent."""

import contextlib
import itertools
from dataclasses import dataclass, field

import pytest
from asv.util import UserError
from recorded import CASES, PEAKS

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.measure import measure
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.schedules import BASE, HEAD, PairSchedule
from alb_core.verdicts.judge import Judge


@dataclass
class Machine:
    """BASE and HEAD, whose times are known, and a clock that they move."""

    seconds: dict
    now: float = 0.0
    ran: list = field(default_factory=list)
    fail: dict = field(default_factory=dict)
    interrupt_at: int | None = None
    error: type = KeyboardInterrupt

    @contextlib.contextmanager
    def started(self, commits):
        assert commits == (BASE, HEAD)
        self.now += 0.5
        yield

    def run(self, commit, case):
        if self.interrupt_at is not None and len(self.ran) == 2 * self.interrupt_at:
            raise self.error("Interrupted.")
        place = (BASE, HEAD).index(commit)
        pairs = len(self.ran) // 2 + 1
        self.ran.append((case, commit))
        self.now += self.seconds[case][place]
        # A percent of noise, the same for whoever comes first.
        wiggle = 1 + 0.01 * (pairs * 7 % 5 - 2)
        seconds = self.seconds[case][place] * (1 / wiggle if place else wiggle)
        return self.fail.get(case, {}).get(commit, ProcessResult((seconds,)))

    def clock(self):
        return self.now


def run(machine, rounds, budget, judge=None):
    """Measure; how it went, and the cases of the pairs that were kept."""
    kept = []
    schedule = PairSchedule(rounds, (judge or Judge()).still_open)
    done = measure(
        *(machine, schedule, lambda result: kept.append(result.turn.case) if result.complete else None, budget),
        clock=machine.clock,
    )
    if not done.interrupted:
        schedule.require_one_round(done.seconds, budget)
    return done, kept


def test_clear_answers_end_it_early():
    machine = Machine({CASES[0]: (1.0, 2.0), CASES[1]: (1.0, 1.0)})
    rounds = Rounds.of(CASES[:2])
    done, kept = run(machine, rounds, 10_000)
    assert 6 <= len(rounds.pairs[CASES[0]]) <= 10 and done.seconds < 100
    assert done.turns == len(kept) == sum(map(len, rounds.pairs.values()))
    assert Judge().still_open(rounds) == []


def test_rounds_go_where_the_answer_is_open():
    machine = Machine({CASES[0]: (1.0, 3.0), CASES[1]: (1.0, 1.04)})
    rounds = Rounds.of(CASES[:2])
    run(machine, rounds, 200)
    assert len(rounds.pairs[CASES[1]]) > 2 * len(rounds.pairs[CASES[0]])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_case_alternates_which_side_is_first(count):
    machine = Machine(dict.fromkeys(CASES, (1.0, 1.03)))
    run(machine, Rounds.of(CASES[:count]), 20.0 * count, Judge(threshold=0.001))
    for case in CASES[:count]:
        first = [commit for ran, commit in machine.ran[::2] if ran is case]
        assert len(first) >= 4 and all(one != other for one, other in itertools.pairwise(first))


def test_a_second_call_goes_on_with_the_other_side_first():
    machine = Machine({CASES[0]: (1.0, 1.03)})
    rounds = Rounds.of(CASES[:1])
    rounds.pairs[CASES[0]] += [Pair((1.0,), (1.0,))]
    run(machine, rounds, 3.0, Judge(threshold=0.001))
    assert machine.ran[0] == (CASES[0], HEAD)


def test_the_budget_is_kept():
    machine = Machine(dict.fromkeys(CASES, (1.0, 1.02)))
    done, _ = run(machine, Rounds.of(CASES), 60.0, Judge(threshold=0.001))
    assert 50 < done.seconds <= 60


def test_a_budget_too_small_for_one_round_says_what_one_takes_and_keeps_what_there_is():
    machine = Machine(dict.fromkeys(CASES, (10.0, 10.0)))
    with pytest.raises(AlbError, match=r"25 s is too small for one round of 4 .*\(2 were measured.*about 8\d s.*-b"):
        run(machine, Rounds.of(CASES), 25.0)
    assert len(machine.ran) == 4


def test_a_small_budget_is_enough_where_rounds_are_recorded():
    machine = Machine({CASES[0]: (10.0, 10.0)})
    rounds = Rounds.of(CASES[:1])
    rounds.pairs[CASES[0]] += [Pair((10.0,), (10.0,))] * 3
    done, _ = run(machine, rounds, 1e-9)
    assert done.turns == 0 and not done.interrupted


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_interrupt_keeps_what_is_done(error):
    machine = Machine(dict.fromkeys(CASES, (1.0, 1.02)), interrupt_at=6, error=error)
    rounds = Rounds.of(CASES)
    done, kept = run(machine, rounds, 1000.0, Judge(threshold=0.001))
    assert done.interrupted and len(kept) == 6 == sum(map(len, rounds.pairs.values()))


def test_another_fault_of_asv_is_no_interrupt():
    class FaultError(UserError):
        def __init__(self, *_):
            super().__init__("Process exited with code 1")

    machine = Machine({CASES[0]: (1.0, 1.0)}, interrupt_at=0, error=FaultError)
    with pytest.raises(UserError, match="code 1"):
        run(machine, Rounds.of(CASES[:1]), 100.0)


def test_a_case_that_fails_is_named_and_left_out():
    failed = ProcessResult(said="Traceback\nValueError: rows 3, expected 4\n")
    fail = {CASES[1]: {HEAD: failed}, CASES[2]: {BASE: failed, HEAD: failed}}
    machine = Machine(dict.fromkeys(CASES, (1.0, 2.0)), fail=fail)
    rounds = Rounds.of(CASES[:3])
    run(machine, rounds, 1000.0)
    assert rounds.failures == {
        CASES[1]: "HEAD: ValueError: rows 3, expected 4",
        CASES[2]: "BASE and HEAD: ValueError: rows 3, expected 4",
    }
    assert len(rounds.pairs[CASES[0]]) >= 6 and [case for case, _ in machine.ran].count(CASES[1]) == 2


def test_what_a_commit_cannot_do_is_absent():
    machine = Machine({PEAKS[0]: (1.0, 1.0)}, fail={PEAKS[0]: {BASE: ProcessResult(absent=True)}})
    rounds = Rounds.of(PEAKS[:1])
    run(machine, rounds, 100.0)
    assert rounds.absent == {PEAKS[0]: "BASE"} and rounds.failures == {}
