"""From counted pairs of known changes to how often words about work are right, and the threshold that follows. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from alb_core.verdicts.calibration.injected import INJECTED_FUNCTIONS, NOTHING
from alb_core.verdicts.calibration.work_pairs import SHARES, CountedCase, CountedPair
from alb_core.verdicts.calibration_file import MOST_WORK_THRESHOLD, SAFETY, Rate, WorkCalibration, WorkRates
from alb_core.verdicts.judge import WORK_THRESHOLD

#: Sizes of the changes of which some are to be found.
_INJECTED = [size for size, load in SHARES if size != NOTHING]


def threshold_of(largest: float) -> float:
    """Return the threshold that equal commits give, in tenths of a percent: the usual one at least, and 2 % at most."""
    # What is a tenth but for its last bit is no more than it.
    tenths = math.ceil(round(1000 * SAFETY * largest, 6))
    return min(max(WORK_THRESHOLD, tenths / 1000), MOST_WORK_THRESHOLD)


def calibration(pairs: Sequence[CountedPair]) -> WorkCalibration | None:
    """Count what is said of pairs, of one release by one counter; None where none is of equal commits."""
    equal = [pair for pair in pairs if pair.size == NOTHING and pair.cases]
    if not equal:
        return None
    seen = [max(abs(case.change) for case in pair.cases.values()) for pair in equal]
    threshold = threshold_of(max(seen))
    # Its own difference raises the threshold above a pair, so it is judged by what the others give.
    without = [threshold_of(max([*seen[:place], *seen[place + 1 :]], default=0.0)) for place in range(len(seen))]
    judged = list(zip(equal, without, strict=True))
    judged += [(pair, threshold) for pair in pairs if pair.size != NOTHING and pair.cases]
    rows = list(dict.fromkeys(row for pair in pairs for row in pair.cases))
    return WorkCalibration(
        measured=pairs[-1].ended,
        commit=pairs[-1].commit,
        counter=pairs[-1].counter,
        threshold=threshold,
        pairs=len(equal),
        pairs_under_load=sum(bool(pair.load) for pair in equal),
        cases={row: _rates(_of(judged, row)) for row in rows},
        whole=_rates(judged),
    )


#: A pair, and the threshold by which it is judged.
_Judged = tuple[CountedPair, float]


def _of(judged: Sequence[_Judged], row: str) -> list[_Judged]:
    """Return pairs as they are of one case alone."""
    return [(replace(pair, cases={row: pair.cases[row]}), threshold) for pair, threshold in judged if row in pair.cases]


def _rates(judged: Sequence[_Judged]) -> WorkRates:
    """Count what is said of pairs as a whole, by the case in them that changed most."""
    by_size: dict[str, list[tuple[CountedCase, float]]] = {size: [] for size in _INJECTED}
    largest: dict[bool, float] = {}
    alarms = 0
    for pair, threshold in judged:
        if pair.size == NOTHING:
            seen = max(abs(case.change) for case in pair.cases.values())
            largest[bool(pair.load)] = max(largest.get(bool(pair.load), 0.0), seen)
            alarms += seen >= threshold
        else:
            by_size.setdefault(pair.size, []).append((max(pair.cases.values(), key=_change), threshold))
    counted = {size: cases for size, cases in by_size.items() if cases}
    worse = {size: [case for case, threshold in cases if case.change >= threshold] for size, cases in counted.items()}
    return WorkRates(
        false_alarms=Rate(alarms, sum(pair.size == NOTHING for pair, _ in judged)),
        found={size: Rate(len(worse[size]), len(cases)) for size, cases in counted.items()},
        named={
            size: Rate(sum(case.named.endswith(_function(size)) for case in cases), len(cases))
            for size, cases in worse.items()
            if _function(size)
        },
        largest=largest.get(False),
        largest_under_load=largest.get(True),
        effects={size: statistics.median(case.change for case, _ in cases) for size, cases in counted.items()},
    )


def _change(case: CountedCase) -> float:
    return case.change


def _function(size: str) -> str:
    """The function that a change is in; empty of one that only waits."""
    return INJECTED_FUNCTIONS.get(size.split()[-1], "")
