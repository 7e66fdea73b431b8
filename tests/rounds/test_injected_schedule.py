"""Which injected changes are measured in which round."""

from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, COUNTS, PEAKS

from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.schedules import BASE, OUT_OF, InjectedSchedule, due, injected_cases
from alb_core.verdicts.calibration.injected import CHANGES, NOTHING, SHARES
from alb_core.verdicts.calibration.replay import streams

PAIR = Pair((1.0,), (1.0,))


def rounds_of(cases=(*CASES[:2], *PEAKS[:2])):
    return Rounds.of(injected_cases(cases, SHARES))


def run(rounds, count):
    """Measure so many rounds; return what each measured."""
    seen = []
    for _ in range(count):
        seen.append(due(rounds, SHARES))
        for case in seen[-1]:
            rounds.pairs[case].append(PAIR)
    return seen


def test_changes_of_a_case_stand_side_by_side():
    found = injected_cases([CASES[0], PEAKS[0], COUNTS[0]], SHARES)
    assert [(case.case, case.size) for case in found] == [
        *((CASES[0], size) for size in (NOTHING, "5%", "10%", "25%", "10% waiting")),
        *((PEAKS[0], size) for size in (NOTHING, "200MB")),
    ]
    assert {case.size for case in found} == {NOTHING, *CHANGES}


def test_the_first_round_has_all_and_later_ones_their_share():
    rounds = rounds_of()
    group = next(InjectedSchedule(rounds, SHARES).groups())
    assert group.commits == (BASE, NOTHING, "5%", "10%", "25%", "10% waiting", "200MB")
    assert [(turn.case, turn.commits) for turn in group.turns] == [(case, (BASE, case.size)) for case in rounds.pairs]
    seen = run(rounds, OUT_OF)
    assert seen[0] == list(rounds.pairs)
    for case, pairs in rounds.pairs.items():
        assert len(pairs) == SHARES[case.size][case.kind]


@given(st.integers(0, 200), st.data())
def test_a_command_that_was_ended_within_a_round_is_caught_up_with(ended, data):
    """Whatever was measured when it ended, the same rounds are there after as many more."""
    rounds = rounds_of(CASES[:1] + PEAKS[:1])
    run(rounds, ended % 23)
    for case in data.draw(st.sets(st.sampled_from(list(rounds.pairs)))):
        if case in due(rounds, SHARES):
            rounds.pairs[case].append(PAIR)
    run(rounds, 30)
    whole = len(rounds.pairs[next(iter(rounds.pairs))])
    for case, pairs in rounds.pairs.items():
        assert len(pairs) == -(-SHARES[case.size][case.kind] * whole // OUT_OF)


def test_what_failed_is_measured_no_more_and_left_out_of_every_size():
    rounds = rounds_of()
    run(rounds, 3)
    failed = next(case for case in rounds.pairs if case.case == CASES[0] and case.size == "10%")
    rounds.failures[failed] = "HEAD: no"
    run(rounds, 3)
    assert len(rounds.pairs[failed]) == 3
    found = streams(rounds)
    assert all(CASES[0] not in stream for stream in found.values()) and len(found["10%"][CASES[1]]) == 6
    for case in rounds.pairs:
        rounds.absent[case] = "HEAD"
    assert due(rounds, SHARES) == [] and streams(rounds) == {}


def test_a_stream_is_as_long_for_all_cases_of_a_kind():
    rounds = rounds_of()
    run(rounds, 5)
    longer = next(case for case in rounds.pairs if case.case == CASES[1] and case.size == NOTHING)
    rounds.pairs[longer].append(PAIR)
    stream = streams(rounds)[NOTHING]
    assert {len(stream[case]) for case in CASES[:2]} == {5} and {len(stream[case]) for case in PEAKS[:2]} == {2}
