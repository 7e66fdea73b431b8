"""Rounds over releases within a budget, kept in asv's results; ended at any moment, they go on."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fake_bench import FakeBench
from recorded import BENCHMARKS, CASES, MACHINE, OTHER, PEAKS, blank, empty_results, store

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.measure import measure
from alb_core.rounds.pairs import Pair
from alb_core.rounds.results.store import Store
from alb_core.verdicts import campaign
from alb_core.verdicts.campaign import CampaignRequest, schedule_of

VERSIONS = ["1", "2", "3"]
RELEASES = [SimpleNamespace(name=name, commit=name * 40) for name in VERSIONS]


@pytest.fixture
def results(tmp_path):
    return empty_results(tmp_path)


def opened(results, cases, rounds, benchmarks=BENCHMARKS):
    """The results of all releases, and what they leave to do."""
    kept = Store(results, MACHINE, blank, benchmarks, [release.commit for release in RELEASES])
    return kept, schedule_of(kept, RELEASES, cases, rounds)


def call(results, bench, cases, rounds, budget=1e6):
    """One call of the command; another one begins with what stands in the results alone."""
    kept, schedule = opened(results, cases, rounds)

    def keep(result):
        kept.keep_campaign(result.turn.commits[0] * 40, result)

    return schedule, measure(bench, schedule, keep, budget, clock=bench.clock)


def test_the_first_round_of_all_comes_before_the_second_of_any(results):
    bench = FakeBench()
    schedule, done = call(results, bench, CASES[:2], 3)
    assert done.turns == len(bench.ran) == 18 and not done.interrupted
    for number in range(3):
        mine = bench.ran[6 * number : 6 * number + 6]
        assert sorted(mine, key=str) == sorted(((v, c) for v in VERSIONS for c in CASES[:2]), key=str)
    assert set(schedule.counts.values()) == {3} and schedule.remaining().processes == 0
    # Neighbours take turns case by case, and who is first changes.
    firsts = {bench.ran[at][0] for at in range(0, 18, 2) if bench.ran[at][1] == bench.ran[at + 1][1]}
    assert len(firsts) > 1
    # The processes that theirs are forked from are new in each round.
    assert len(bench.groups) == 6


def test_releases_without_wheels_for_the_measured_python_are_one_line(under, capsys):
    under("3.12")
    found = campaign._checked(CampaignRequest("1.14.4..1.15.1"), here=True)
    assert [each.version for each in found] == ["1.15.0", "1.15.1"]
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("alb: n/a are 1.14.4 to 1.14.5 (2 of 4): no wheels for Python 3.12")
    with pytest.raises(AlbError, match=r"nothing can be measured of 1\.7\.3 \(1 of 1\)"):
        campaign._checked(CampaignRequest("1.7.3"), here=True)


def test_costs_add_up_to_the_time(results):
    bench = FakeBench()
    schedule, done = call(results, bench, CASES[:2], 4)
    assert done.seconds == pytest.approx(sum(cost * 4 for cost in schedule.cost.values()))
    # And are found again in the results, for a plan.
    again = opened(results, CASES[:2], 8)[1]
    assert again.cost == pytest.approx(schedule.cost) and again.remaining().seconds == pytest.approx(done.seconds)


@pytest.mark.parametrize("moment", [0, 1, 5, 17])
def test_ended_at_any_moment_it_goes_on_without_loss_or_repetition(results, moment):
    bench = FakeBench(interrupt_at=moment)
    _, done = call(results, bench, CASES[:2], 3)
    assert done.interrupted and done.turns == moment
    there = opened(results, CASES[:2], 3)[1]
    assert sum(there.counts.values()) == moment
    second = FakeBench()
    schedule, done = call(results, second, CASES[:2], 3)
    assert done.turns == 18 - moment and set(schedule.counts.values()) == {3}
    for version in VERSIONS:
        for case in CASES[:2]:
            assert (bench.ran + second.ran).count((version, case)) == 3
    third = FakeBench()
    assert call(results, third, CASES[:2], 3)[1].turns == 0 and third.groups == []


def test_the_budget_is_kept_and_rounds_are_even(results):
    bench = FakeBench()
    schedule, done = call(results, bench, CASES[:2], 50, budget=60)
    assert done.seconds <= 60 and done.turns >= 35
    assert max(schedule.counts.values()) - min(schedule.counts.values()) <= 1
    assert schedule.remaining().processes == 300 - done.turns
    assert call(results, FakeBench(), CASES[:2], 50, budget=-5)[1].turns == 0


def test_what_a_release_cannot_do_is_found_out_once(results):
    lacking = ("1", CASES[1])
    bench = FakeBench(gives={lacking: ProcessResult(absent=True)})
    schedule, _ = call(results, bench, CASES[:2], 3)
    assert bench.ran.count(lacking) == 1 and schedule.absent == {lacking}
    second = FakeBench()
    schedule, done = call(results, second, CASES[:2], 4)
    assert lacking not in second.ran and schedule.absent == {lacking} and done.turns == 5
    # A case that is merely not measured yet is none that a release cannot do, though asv writes NaN for both.
    assert ("1", CASES[2]) not in opened(results, CASES, 1)[1].absent
    # Another version of the benchmark may do it.
    newer = {name: {**entry, "version": "2"} for name, entry in BENCHMARKS.items()}
    assert opened(results, CASES, 1, newer)[1].absent == set()


def test_what_fails_is_tried_again_by_the_next_call(results):
    failing = ("2", CASES[0])
    bench = FakeBench(gives={failing: ProcessResult(said="Traceback\nValueError: no\n")})
    schedule, _ = call(results, bench, CASES[:1], 3)
    assert bench.ran.count(failing) == 1 and schedule.failures == {failing: "ValueError: no"}
    schedule, _ = call(results, FakeBench(), CASES[:1], 3)
    assert schedule.failures == {} and set(schedule.counts.values()) == {3}


def test_a_release_that_imports_nothing_costs_its_neighbour_nothing(results):
    bench = FakeBench(broken={"2"})
    schedule, _ = call(results, bench, CASES[:1], 2)
    assert schedule.unusable == {"2": "it cannot import the benchmarks"}
    assert schedule.counts["1", CASES[0]] == schedule.counts["3", CASES[0]] == 2
    assert sum("2" in group for group in bench.groups) == 2


def test_rounds_of_a_campaign_and_of_a_verdict_lie_side_by_side(results):
    call(results, FakeBench(), [CASES[0], PEAKS[0]], 2)
    both = store(results, "1" * 40, OTHER)
    assert both.pairs(CASES[0]) == []
    pair = Pair((7.0, 7.5), (8.0, 8.5))
    both.add(CASES[0], pair, datetime(2026, 11, 22, tzinfo=UTC), 1.0)
    schedule, _ = call(results, FakeBench(), [CASES[0], PEAKS[0]], 3)
    assert set(schedule.counts.values()) == {3}
    assert store(results, "1" * 40, OTHER).pairs(CASES[0]) == [pair]
