"""Rounds of known changes on the machine of the tests."""

from recorded import CASES, PEAKS, noisy

from alb_core.rounds.pairs import Pair
from alb_core.verdicts.calibration.injected import NOTHING

SLOWER = {NOTHING: 0.0, "5%": 0.05, "10%": 0.10, "25%": 0.25}


def peaks_of(rng, rounds, more=0.0):
    samples = 5e8 * (1 + abs(rng.normal(0, 0.01, (rounds, 2))))
    return [Pair((float(one),), (float(other) + more,)) for one, other in samples]


def streams(rng, rounds, cases=2):
    """Rounds by size: times of some cases, and peaks of as many."""
    found = {size: {case: noisy(rng, rounds, slower) for case in CASES[:cases]} for size, slower in SLOWER.items()}
    found[NOTHING] |= {case: peaks_of(rng, rounds) for case in PEAKS[:cases]}
    found["200MB"] = {case: peaks_of(rng, rounds, 200e6) for case in PEAKS[:cases]}
    found["10% waiting"] = {case: noisy(rng, rounds, 0.10) for case in CASES[:cases]}
    return found
