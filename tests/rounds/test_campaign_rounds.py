"""Rounds over releases within a budget, kept in asv's results; ended at any moment, they go on."""

import contextlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from asv.util import UserError
from recorded import BENCHMARKS, CASES, MACHINE, OTHER, PEAKS, benchmark, blank

from alb_core.rounds.campaign_rounds import measure
from alb_core.rounds.sides import CouldNotMeasureError, Outcome
from alb_core.verdicts.campaign import Keeper

VERSIONS = ["1", "2", "3"]
SIDES = [SimpleNamespace(name=name, commit=name * 40) for name in VERSIONS]


@dataclass
class Machine:
    """Releases whose processes take a second, and a clock that they move."""

    now: float = 0.0
    ran: list = field(default_factory=list)
    visits: list = field(default_factory=list)
    gives: dict = field(default_factory=dict)
    broken: set = field(default_factory=set)
    interrupt_at: int | None = None
    error: type = KeyboardInterrupt

    @contextlib.contextmanager
    def visit(self, versions):
        self.visits.append(tuple(versions))
        self.now += 1.0
        if self.broken & set(versions):
            raise CouldNotMeasureError("it cannot import the benchmarks")
        yield self.run

    def run(self, version, case):
        if len(self.ran) == self.interrupt_at:
            raise self.error("Interrupted.")
        self.ran.append((version, case))
        self.now += 1.0
        return self.gives.get((version, case), Outcome((1.0, 1.5) if case in CASES else (5e8,)))


@pytest.fixture
def results(tmp_path):
    place = tmp_path / "results" / MACHINE
    place.mkdir(parents=True)
    (place / "machine.json").write_text(json.dumps({"machine": MACHINE, "version": 1}))
    return tmp_path / "results"


def keeper(results, benchmarks=BENCHMARKS):
    return Keeper(results, MACHINE, blank, benchmarks, SIDES)


def call(results, machine, cases, rounds, budget=1e6):
    """One call of the command; another one begins with what stands in the results alone."""
    kept = keeper(results)
    grid = kept.grid(cases, rounds)
    done = measure(machine, kept, grid, budget, clock=lambda: machine.now, tell=lambda line: None)
    return grid, done


def test_the_first_round_of_all_comes_before_the_second_of_any(results):
    machine = Machine()
    grid, done = call(results, machine, CASES[:2], 3)
    assert done.processes == len(machine.ran) == 18 and not done.interrupted
    for number in range(3):
        mine = machine.ran[6 * number : 6 * number + 6]
        assert sorted(mine, key=str) == sorted(((v, c) for v in VERSIONS for c in CASES[:2]), key=str)
    assert set(grid.counts.values()) == {3} and grid.left().processes == 0
    # Neighbours take turns case by case, and who is first changes.
    firsts = {machine.ran[at][0] for at in range(0, 18, 2) if machine.ran[at][1] == machine.ran[at + 1][1]}
    assert len(firsts) > 1
    # The processes that theirs are forked from are new in each round.
    assert len(machine.visits) == 6


def test_costs_add_up_to_the_time(results):
    machine = Machine()
    grid, done = call(results, machine, CASES[:2], 4)
    assert done.seconds == pytest.approx(sum(cost * 4 for cost in grid.cost.values()))
    # And are found again in the results, for a plan.
    again = keeper(results).grid(CASES[:2], 8)
    assert again.cost == pytest.approx(grid.cost) and again.left().seconds == pytest.approx(done.seconds)


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
@pytest.mark.parametrize("moment", [0, 1, 5, 17])
def test_ended_at_any_moment_it_goes_on_without_loss_or_repetition(results, moment, error):
    machine = Machine(interrupt_at=moment, error=error)
    _, done = call(results, machine, CASES[:2], 3)
    assert done.interrupted and done.processes == moment
    there = keeper(results).grid(CASES[:2], 3)
    assert sum(there.counts.values()) == moment
    second = Machine()
    grid, done = call(results, second, CASES[:2], 3)
    assert done.processes == 18 - moment and set(grid.counts.values()) == {3}
    for version in VERSIONS:
        for case in CASES[:2]:
            assert (machine.ran + second.ran).count((version, case)) == 3
    third = Machine()
    assert call(results, third, CASES[:2], 3)[1].processes == 0 and third.visits == []


def test_another_error_is_no_interrupt(results):
    class BrokenError(UserError):
        def __init__(self, _):
            super().__init__("the disk is full")

    with pytest.raises(UserError, match="disk is full"):
        call(results, Machine(interrupt_at=2, error=BrokenError), CASES[:2], 1)


def test_the_budget_is_kept_and_rounds_are_even(results):
    machine = Machine()
    grid, done = call(results, machine, CASES[:2], 50, budget=60)
    assert done.seconds <= 60 and done.processes >= 35
    assert max(grid.counts.values()) - min(grid.counts.values()) <= 1
    assert grid.left().processes == 300 - done.processes
    assert call(results, Machine(), CASES[:2], 50, budget=-5)[1].processes == 0


def test_what_a_release_cannot_do_is_found_out_once(results):
    lacking = ("1", CASES[1])
    machine = Machine(gives={lacking: Outcome(absent=True)})
    grid, _ = call(results, machine, CASES[:2], 3)
    assert machine.ran.count(lacking) == 1 and grid.absent == {lacking}
    second = Machine()
    grid, done = call(results, second, CASES[:2], 4)
    assert lacking not in second.ran and grid.absent == {lacking} and done.processes == 5
    # A case that is merely not measured yet is none that a release cannot do, though asv writes NaN for both.
    assert ("1", CASES[2]) not in keeper(results).grid(CASES, 1).absent
    # Another version of the benchmark may do it.
    newer = {name: {**entry, "version": "2"} for name, entry in BENCHMARKS.items()}
    assert keeper(results, newer).grid(CASES, 1).absent == set()


def test_what_fails_is_tried_again_by_the_next_call(results):
    failing = ("2", CASES[0])
    machine = Machine(gives={failing: Outcome(said="Traceback\nValueError: no\n")})
    grid, _ = call(results, machine, CASES[:1], 3)
    assert machine.ran.count(failing) == 1 and grid.failures == {failing: "ValueError: no"}
    grid, _ = call(results, Machine(), CASES[:1], 3)
    assert grid.failures == {} and set(grid.counts.values()) == {3}


def test_a_release_that_imports_nothing_costs_its_neighbour_nothing(results):
    machine = Machine(broken={"2"})
    grid, _ = call(results, machine, CASES[:1], 2)
    assert grid.out == {"2": "it cannot import the benchmarks"}
    assert grid.counts["1", CASES[0]] == grid.counts["3", CASES[0]] == 2
    assert sum("2" in visit for visit in machine.visits) == 2


def test_rounds_of_a_campaign_and_of_a_verdict_lie_side_by_side(results):
    from datetime import UTC, datetime

    from alb_core.rounds.pairs import Pair
    from alb_core.rounds.results.store import Store

    call(results, Machine(), [CASES[0], PEAKS[0]], 2)
    store = Store(results, MACHINE, blank, BENCHMARKS, "1" * 40, OTHER)
    assert store.pairs(CASES[0]) == []
    pair = Pair((7.0, 7.5), (8.0, 8.5))
    store.add(CASES[0], pair, datetime(2026, 11, 22, tzinfo=UTC), 1.0)
    grid, _ = call(results, Machine(), [CASES[0], PEAKS[0]], 3)
    assert set(grid.counts.values()) == {3}
    again = Store(results, MACHINE, blank, BENCHMARKS, "1" * 40, OTHER)
    assert again.pairs(CASES[0]) == [pair]


def test_a_new_version_of_a_benchmark_is_measured_anew(results):
    call(results, Machine(), CASES[:1], 2)
    name = CASES[0].benchmark
    newer = {**BENCHMARKS, name: benchmark(name, "time", "seconds", version="2")}
    assert set(keeper(results, newer).grid(CASES[:1], 2).counts.values()) == {0}
