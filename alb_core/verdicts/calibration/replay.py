"""Verdicts of rounds that are there: as many as these are enough for, and more from rounds drawn anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import INTERIM_ROUNDS, LEAST_ROUNDS, MOST_ROUNDS, Pair, Rounds
from alb_core.rounds.schedules import injected_cases_in
from alb_core.verdicts.calibration.injected import NOTHING
from alb_core.verdicts.judge import MOST_SAMPLES, Judge
from alb_core.verdicts.statistics import LEAST_SAMPLES
from alb_core.verdicts.work_changes import NOT_COUNTED, ComparedWork

#: Rounds of one size, by case; all cases of a kind have as many.
Stream = Mapping[BenchmarkCase, Sequence[Pair]]

#: Successive rounds that are drawn together: what the machine does lasts longer than a round.
BLOCK = 5


def streams(rounds: Rounds) -> dict[str, dict[BenchmarkCase, Sequence[Pair]]]:
    """Return the rounds of each size, cut to what all its cases of a kind have; cases that failed are left out.

    So is a change that has no round yet, which a newer suite may have added to what is recorded.
    """
    cases = injected_cases_in(rounds)
    broken = {case.case for case in cases if case in rounds.failures or case in rounds.absent}
    kept = [case for case in cases if case.case not in broken]
    found: dict[str, dict[BenchmarkCase, Sequence[Pair]]] = {}
    for case in kept:
        shortest = min(len(rounds.pairs[o]) for o in kept if (o.size, o.kind) == (case.size, case.kind))
        found.setdefault(case.size, {})[case.case] = rounds.pairs[case][:shortest]
    return {size: stream for size, stream in found.items() if any(stream.values()) or size == NOTHING}


def rounds_in(budget: float, opening: float, times: float, peaks: float) -> int:
    """Return how many rounds a verdict's budget is enough for, all of its cases open."""
    left = budget - peaks * LEAST_SAMPLES
    return max(0, min(MOST_ROUNDS, int(left / max(opening + times, 1e-9))))


def replay(stream: Stream, judge: Judge, max_rounds: int, work: ComparedWork = NOT_COUNTED) -> Rounds:
    """Take rounds, in their order, until the judge needs no more of a case, or a verdict's rounds are used up."""
    rounds = Rounds.of(list(stream))
    cases: list[BenchmarkCase] = []
    for done in range(max(max_rounds, MOST_SAMPLES)):
        # Between interim analyses no answer of time changes, and memory needs few.
        if done <= MOST_SAMPLES or done in INTERIM_ROUNDS:
            cases = judge.still_open(rounds, work)
        for case in cases:
            if done < min(_max_rounds(case.kind, max_rounds), len(stream[case])):
                rounds.pairs[case].append(stream[case][done])
    return rounds


def disjoint(stream: Stream, judge: Judge, max_rounds: int, work: ComparedWork = NOT_COUNTED) -> Iterator[Rounds]:
    """Yield verdicts that share no round: each begins after the last round that the one before it used.

    One begins only where all of its rounds are there, so that none is left out because of what it would have said.
    """
    length, at = lengths(stream), dict.fromkeys(lengths(stream), 0)
    while length and all(at[kind] + _max_rounds(kind, max_rounds) <= length[kind] for kind in length):
        taken = {
            case: pairs[at[case.kind] : at[case.kind] + _max_rounds(case.kind, max_rounds)]
            for case, pairs in stream.items()
        }
        rounds = replay(taken, judge, max_rounds, work)
        yield rounds
        for kind in at:
            at[kind] += max(len(pairs) for case, pairs in rounds.pairs.items() if case.kind is kind)


def resampled(
    stream: Stream, judge: Judge, max_rounds: int, draws: int, rng: np.random.Generator, *, equal: bool = False
) -> Iterator[Rounds]:
    """Yield verdicts of rounds drawn anew, in blocks of :data:`BLOCK` successive ones (a circular block bootstrap).

    A round is drawn for all cases at once, so that what they have in common stays.
    """
    length = lengths(stream)
    for _ in range(draws if all(length.values()) else 0):
        places = {kind: _blocks(rng, count, _max_rounds(kind, max_rounds)) for kind, count in length.items()}
        swapped = rng.random(-(-max(map(len, places.values())) // BLOCK)) < (0.5 if equal else 0.0)
        drawn = {
            case: [_swapped(pairs[at], swapped[place // BLOCK]) for place, at in enumerate(places[case.kind])]
            for case, pairs in stream.items()
        }
        yield replay(drawn, judge, max_rounds)


def lengths(stream: Stream) -> dict[Kind, int]:
    """Return the number of rounds by kind."""
    return {case.kind: len(pairs) for case, pairs in stream.items()}


def enough(stream: Stream, max_rounds: int) -> bool:
    """Whether there are rounds for one verdict."""
    return all(count >= _max_rounds(kind, max_rounds) for kind, count in lengths(stream).items())


def _blocks(rng: np.random.Generator, count: int, wanted: int) -> list[int]:
    starts = rng.integers(0, count, -(-wanted // BLOCK))
    return [int((start + step) % count) for start in starts for step in range(BLOCK)][:wanted]


def _swapped(pair: Pair, swap: bool) -> Pair:
    return Pair(pair.head, pair.base) if swap else pair


def _max_rounds(kind: Kind, max_rounds: int) -> int:
    return max(max_rounds, LEAST_ROUNDS) if kind is Kind.TIME else min(max_rounds, MOST_SAMPLES)
