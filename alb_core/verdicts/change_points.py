"""Steps in a history: releases at which a figure changed by more than the noise. Pure.

Each round measured all releases, so what the machine did in a round is taken out first: the median over releases of
how far their figures lie from their own (Tukey's median polish, 1977). Then neighbouring releases are put together into
levels, the most alike first, until each level differs from the next: by Yuen's test of trimmed means (1974), at a level
that Bonferroni's rule divides among all boundaries of all cases, and stricter since they were looked for. Levels of
several releases have all their rounds, so a smaller step is seen between them than between two single ones.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import LEAST_ROUNDS, log_figure, usual_gap
from alb_core.verdicts.judge import LEAST_BYTES, THRESHOLD
from alb_core.verdicts.statistics import ALPHA, TRIM

#: A round: session and number, the same for what was measured in one go.
Block = tuple[int, int]

#: Rounds of a release before it counts.
LEAST_RELEASE_ROUNDS = 3

#: How much stricter a boundary is judged because it was found by looking, and because Student's t is a little lenient
#: with trimmed means: by simulation, tests/verdicts/test_change_points.py.
_STRICTER = 10

#: Least spread of a release's figures, as a share: coarse clocks and pages would else make anything certain.
_LEAST_SPREAD = 1e-3

_POLISHES = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """A change at a release."""

    case: BenchmarkCase
    #: The release with the new level.
    version: str
    #: The newest release with the old one.
    before: str
    #: The levels: seconds, bytes or counts.
    old: float
    new: float
    #: Of the new level over the old one, less one, with its interval; differences for counts.
    change: float
    low: float
    high: float
    #: How many releases have the old level, and how many the new one.
    releases: tuple[int, int]


@dataclass(frozen=True)
class CaseSteps:
    """A case over all releases."""

    case: BenchmarkCase
    #: Its steps, oldest first.
    steps: tuple[Step, ...]
    #: Spread (standard deviation) of a round within a level: a share, or a difference for counts.
    noise: float
    #: Fewest rounds that a release has.
    rounds: int


def find_steps(
    rounds: Mapping[BenchmarkCase, Mapping[str, Mapping[Block, Sequence[float]]]], threshold: float = THRESHOLD
) -> list[CaseSteps]:
    """Find the steps of all cases."""
    held = {case: _interleaved(by) for case, by in rounds.items()}
    held = {case: by for case, by in held.items() if len(by) > 1}
    boundaries = sum(len(by) - 1 for by in held.values())
    return [_case_steps(case, by, ALPHA / (_STRICTER * boundaries), threshold) for case, by in held.items()]


def _case_steps(
    case: BenchmarkCase, by: Mapping[str, Mapping[Block, Sequence[float]]], level: float, threshold: float
) -> CaseSteps:
    versions = [*by]
    blocks = sorted({block for mine in by.values() for block in mine})
    table = np.full((len(versions), len(blocks)), np.nan)
    # One gap for all releases, by their first rounds, as in a verdict.
    first = [samples for mine in by.values() for samples in [*mine.values()][:LEAST_ROUNDS]]
    gap = usual_gap(first) if case.kind is Kind.TIME else 0.0
    for row, version in enumerate(versions):
        for block, samples in by[version].items():
            table[row, blocks.index(block)] = _figure(case, samples, gap)
    rows = polished(table)
    groups = levels(rows, level)
    steps = []
    for left, right in itertools.pairwise(groups):
        old, new = _together(rows, left), _together(rows, right)
        found = _compared(old, new)
        low, high = found.confidence_interval(1 - level)
        change = (_middle(new) - _middle(old), -float(high), -float(low))
        step = _step(case, versions, left, right, (_middle(old), _middle(new)), change)
        if _matters(step, threshold):
            steps.append(step)
    within = np.concatenate([_together(rows, group) - _middle(_together(rows, group)) for group in groups])
    # Of the quartiles, which a few disturbed rounds leave as they are.
    noise = float(stats.iqr(within, scale="normal"))
    return CaseSteps(case, tuple(steps), noise, min(map(len, by.values())))


def _interleaved(by: Mapping[str, Mapping[Block, Sequence[float]]]) -> dict[str, dict[Block, Sequence[float]]]:
    """What can be held against one another: rounds of two releases at least, and releases with enough of those."""
    releases = Counter(block for blocks in by.values() for block in blocks)
    shared = {
        version: {block: samples for block, samples in blocks.items() if releases[block] > 1}
        for version, blocks in by.items()
    }
    return {version: blocks for version, blocks in shared.items() if len(blocks) >= LEAST_RELEASE_ROUNDS}


def polished(table: Floats) -> list[Floats]:
    """Take what each round did to all releases out of their figures."""
    rest = table.copy()
    rows = np.zeros((len(table), 1))
    for _ in range(_POLISHES):
        middle = np.nanmedian(rest, axis=1, keepdims=True)
        rows, rest = rows + middle, rest - middle
        columns = np.nanmedian(rest, axis=0, keepdims=True)
        rest = rest - columns
        if np.abs(columns).max() < 1e-12 * max(1.0, float(np.abs(rows).max())):
            break
    return [row[~np.isnan(row)] for row in rest + rows]


def levels(rows: Sequence[Floats], level: float) -> list[list[int]]:
    """Put neighbours together, the most alike first, until each group differs from the next at a level."""
    groups = [[index] for index in range(len(rows))]
    chances = [_chance(rows, one, other) for one, other in itertools.pairwise(groups)]
    while chances and max(chances) >= level:
        at = chances.index(max(chances))
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
        chances.pop(at)
        for place in (at - 1, at):
            if 0 <= place < len(chances):
                chances[place] = _chance(rows, groups[place], groups[place + 1])
    return groups


def _chance(rows: Sequence[Floats], one: Sequence[int], other: Sequence[int]) -> float:
    return float(_compared(_together(rows, one), _together(rows, other)).pvalue)


def _compared(old: Floats, new: Floats) -> stats._stats_py.TtestResult:
    # Equal figures have no spread: a least one is added, whose mean is zero.
    spread = [_LEAST_SPREAD * np.resize([1.0, -1.0], len(values)) * _scale(values) for values in (old, new)]
    return stats.ttest_ind(old + spread[0], new + spread[1], equal_var=False, trim=TRIM)


def _scale(values: Floats) -> float:
    """1 for logarithms, whose differences are shares already; the size of counts, which may be large."""
    return max(1.0, float(np.abs(values).max()) / 50)


def _together(rows: Sequence[Floats], group: Sequence[int]) -> Floats:
    return np.concatenate([rows[index] for index in group])


def _middle(values: Floats) -> float:
    return float(stats.trim_mean(values, TRIM))


def _figure(case: BenchmarkCase, samples: Sequence[float], gap: float) -> float:
    """A round's figure: the logarithm of a time (as in a verdict) or of a peak, a count as it is."""
    if case.kind is Kind.TIME:
        return log_figure(samples, gap)
    middle = float(np.median(samples))
    return middle if case.kind is Kind.COUNT else math.log(middle)


def _step(
    case: BenchmarkCase,
    versions: Sequence[str],
    left: Sequence[int],
    right: Sequence[int],
    middles: tuple[float, float],
    change: tuple[float, float, float],
) -> Step:
    names = versions[right[0]], versions[left[-1]]
    sizes = len(left), len(right)
    if case.kind is Kind.COUNT:
        return Step(case, *names, *middles, *change, sizes)
    best, low, high = map(math.expm1, change)
    return Step(case, *names, math.exp(middles[0]), math.exp(middles[1]), best, low, high, sizes)


def _matters(step: Step, threshold: float) -> bool:
    if step.case.kind is Kind.COUNT:
        return abs(step.change) >= threshold * max(abs(step.old), abs(step.new))
    if step.case.kind is Kind.MEMORY and abs(step.new - step.old) < LEAST_BYTES:
        return False
    return abs(step.change) >= threshold
