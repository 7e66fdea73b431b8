"""Which arms are measured in which round."""

from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, COUNTS, PEAKS

from alb_core.rounds.pairs import Pair, Rounds
from alb_core.verdicts.calibration import schedule
from alb_core.verdicts.calibration.injected import CHANGES, NOTHING
from alb_core.verdicts.calibration.schedule import OUT_OF, SHARES, Arm

PAIR = Pair((1.0,), (1.0,))


def rounds_of(cases=(*CASES[:2], *PEAKS[:2])):
    return Rounds.of(schedule.arms_of(cases))


def run(rounds, count):
    """Measure so many rounds; return what each measured."""
    seen = []
    for _ in range(count):
        seen.append(schedule.due(rounds))
        for arm in seen[-1]:
            rounds.pairs[arm].append(PAIR)
    return seen


def test_arms_of_a_case_stand_side_by_side():
    found = schedule.arms_of([CASES[0], PEAKS[0], COUNTS[0]])
    assert [(arm.case, arm.size) for arm in found] == [
        *((CASES[0], size) for size in (NOTHING, "5%", "10%", "25%")),
        *((PEAKS[0], size) for size in (NOTHING, "200MB")),
    ]
    assert {size for arm in found for size in [arm.size]} == {NOTHING, *CHANGES}


def test_the_first_round_has_all_and_later_ones_their_share():
    rounds = rounds_of()
    seen = run(rounds, OUT_OF)
    assert seen[0] == list(rounds.pairs)
    for arm, pairs in rounds.pairs.items():
        assert isinstance(arm, Arm) and len(pairs) == SHARES[arm.size][arm.kind]


@given(st.integers(0, 200), st.data())
def test_a_command_that_was_ended_within_a_round_is_caught_up_with(ended, data):
    """Whatever was measured when it ended, the same rounds are there after as many more."""
    rounds = rounds_of(CASES[:1] + PEAKS[:1])
    run(rounds, ended % 23)
    for arm in data.draw(st.sets(st.sampled_from(list(rounds.pairs)))):
        if arm in schedule.due(rounds):
            rounds.pairs[arm].append(PAIR)
    run(rounds, 30)
    whole = len(rounds.pairs[next(iter(rounds.pairs))])
    for arm, pairs in rounds.pairs.items():
        assert len(pairs) == -(-SHARES[arm.size][arm.kind] * whole // OUT_OF)


def test_memory_alone_has_its_pace_too():
    rounds = rounds_of(PEAKS[:1])
    run(rounds, 5)
    assert {len(pairs) for pairs in rounds.pairs.values()} == {5} and {arm.size for arm in rounds.pairs} == {
        NOTHING,
        "200MB",
    }


def test_what_failed_is_measured_no_more_and_left_out_of_every_size():
    rounds = rounds_of()
    run(rounds, 3)
    failed = next(arm for arm in rounds.pairs if arm.case == CASES[0] and arm.size == "10%")
    rounds.failures[failed] = "HEAD: no"
    run(rounds, 3)
    assert len(rounds.pairs[failed]) == 3
    found = schedule.streams(rounds)
    assert all(CASES[0] not in stream for stream in found.values()) and len(found["10%"][CASES[1]]) == 6
    for arm in rounds.pairs:
        rounds.absent[arm] = "HEAD"
    assert schedule.due(rounds) == [] and schedule.streams(rounds) == {}


def test_a_stream_is_as_long_for_all_cases_of_a_kind():
    rounds = rounds_of()
    run(rounds, 5)
    longer = next(arm for arm in rounds.pairs if arm.case == CASES[1] and arm.size == NOTHING)
    rounds.pairs[longer].append(PAIR)
    stream = schedule.streams(rounds)[NOTHING]
    assert {len(stream[case]) for case in CASES[:2]} == {5} and {len(stream[case]) for case in PEAKS[:2]} == {2}
