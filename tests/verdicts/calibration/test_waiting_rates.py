"""Rounds that say their processor seconds, and verdicts that know that the work is the same."""

from datetime import UTC, datetime

import numpy as np
import pytest
from recorded import CASES, PEAKS, peaks

from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.schedules import BASE, Turn, TurnResult, injected_cases
from alb_core.verdicts.calibration import waiting_rates
from alb_core.verdicts.calibration.injected import NOTHING, SHARES, WAITING
from alb_core.verdicts.calibration.waiting_rates import Ratios
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.waiting import waiting_ratios


def stream(rng, rounds, waits):
    """Of three cases: the clock varies by 5 %, and its ratio to the processor by 1.5 %."""
    found = {}
    for case in CASES[:3]:
        speed, idle = np.exp(rng.normal(0, 0.05, (rounds, 2))), np.exp(rng.normal(0, 0.015, (rounds, 2)))
        wall = speed * idle * [1, 1 + waits]
        found[case] = [
            Pair(*((float(x),) for x in w), *((EpochSeconds(float(x), float(y)),) for x, y in zip(w, s, strict=True)))
            for w, s in zip(wall, speed, strict=True)
        ]
    return found | {PEAKS[0]: peaks(rounds)}


def test_equal_commits_are_told_apart_from_one_that_waits():
    rng = np.random.default_rng(0)
    found = waiting_rates.count({NOTHING: stream(rng, 200, 0.0), WAITING: stream(rng, 200, 0.1)}, Judge(), 20)
    assert found.excluded.of >= 15 and found.excluded.count >= found.excluded.of - 2 and not found.false_alarms.count
    assert found.missed.of >= 5 and not found.missed.count and found.found.count >= found.found.of - 2


def test_rounds_without_processor_seconds_are_not_judged():
    rng = np.random.default_rng(0)
    plain = {case: [Pair(p.base, p.head) for p in pairs] for case, pairs in stream(rng, 60, 0.0).items()}
    assert waiting_rates.count({NOTHING: plain, "5%": stream(rng, 60, 0.05)}, Judge(), 20) is None
    said = {case: [*plain[case], *pairs] for case, pairs in stream(rng, 60, 0.0).items()}
    assert 1 <= waiting_rates.count({NOTHING: said}, Judge(), 20).excluded.of < 60


def test_processor_seconds_are_found_again_by_their_rounds(tmp_path):
    cases = injected_cases(CASES[:1], {size: SHARES[size] for size in (NOTHING, WAITING)})
    rounds, ratios = Rounds.of(cases), Ratios()
    measured = {case: stream(np.random.default_rng(place), 4, 0.1)[CASES[0]] for place, case in enumerate(cases)}
    for case, pairs in measured.items():
        for pair in pairs:
            processes = ProcessResult(pair.base, pair.base_epochs), ProcessResult(pair.head, pair.head_epochs)
            assert ratios.add(TurnResult(Turn(case, (BASE, case.size), ""), processes, datetime.now(UTC), 1.0, 1.0))
    silent = TurnResult(Turn(cases[0], (BASE, NOTHING), ""), (ProcessResult((1.0,)),) * 2, datetime.now(UTC), 1.0, 1.0)
    assert not ratios.add(silent)
    waiting_rates.FORMAT.write(tmp_path / "m.json", ratios)
    kept = waiting_rates.FORMAT.read(tmp_path / "m.json")
    assert kept == ratios
    for case, pairs in measured.items():
        # One round is recorded whose processes said nothing.
        rounds.pairs[case] = [Pair((9.0,), (9.0,)), *(Pair(pair.base, pair.head) for pair in pairs)]
    kept.put_into(rounds)
    for case, pairs in measured.items():
        assert waiting_ratios(rounds.pairs[case]) == pytest.approx(waiting_ratios(pairs))
