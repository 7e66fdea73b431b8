"""What moved with a change, and what moved without one: counters in words. Pure."""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Mapping, Sequence

from alb_core.verdict import statistics
from alb_core.verdict.cases import Case, Kind
from alb_core.verdict.judge import Verdict
from alb_core.verdict.rounds import Rounds
from alb_core.verdict.statistics import Word

#: Level at which seconds of a part of an epoch are said to have moved: beside a change that is known, a hint.
LEVEL = 0.05


def told(verdict: Verdict, counted: Rounds, by_row: Mapping[str, Sequence[Case]]) -> list[str]:
    """Say what the counters of each row did."""
    found = []
    for row in verdict.rows:
        cases = [case for case in by_row.get(row.name, ()) if counted.pairs[case]]
        if row.together or not cases:
            continue
        moved = [words for words in (_moved(counted, case) for case in cases) if words]
        changed = {change.word for change in (row.time, row.memory) if change} & {Word.WORSE, Word.BETTER}
        if changed:
            word = " and ".join(sorted(changed))
            if moved:
                found.append(f"{row.name} is {word}, and with it moved {'; '.join(moved)}")
            else:
                same = [_name(case) for case in cases if case.kind is Kind.COUNT]
                found.append(f"{row.name} is {word}, and as before are {', '.join(same)}: the cause is in none of them")
        elif moved:
            said = "" if row.time is None else f" (its time: {row.time.word})"
            found.append(f"{row.name} is not known to have changed{said}, and still moved {'; '.join(moved)}")
    return found


def _moved(counted: Rounds, case: Case) -> str | None:
    """How a counter moved, in words; None where nothing says that it did."""
    base, head = counted.flat(case)
    if case.kind is Kind.TIME:
        ratios = [math.log(other / one) for one, other in zip(base, head, strict=True) if min(one, other) > 0]
        estimate = statistics.estimate(ratios)
        if estimate is None:
            return None
        low, high = estimate.interval(LEVEL)
        if low <= 0 <= high:
            return None
        change = math.expm1(estimate.log_ratio)
        return f"{_name(case)} {plain.median(base):.2f} -> {plain.median(head):.2f} s ({100 * change:+.0f} %)"
    if min(head) <= max(base) and max(head) >= min(base):
        return None
    before, after = plain.median(base), plain.median(head)
    share = f" ({100 * (after / before - 1):+.1f} %)" if before else ""
    return f"{_name(case)} {before:,.10g} -> {after:,.10g}{share}"


def _name(case: Case) -> str:
    return case.benchmark.rpartition(".track_")[2].replace("_", " ")
