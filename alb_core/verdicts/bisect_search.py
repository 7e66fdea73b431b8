"""The search for the first bad commit against noise. Pure.

A commit between GOOD and BAD is bad if it is slower than GOOD by more than half of what BAD is. Each is tested round by
round until an interval lies on one side of that half; what the interim analyses of all tests may spend adds up to one
chance of a wrong answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Pair, flat, log_ratios
from alb_core.verdicts import statistics

#: Chance that the commit that is found is another than the first bad one.
ERROR = 0.05


@dataclass(frozen=True)
class Regression:
    """What is bisected: a case, and the line between good and bad."""

    case: BenchmarkCase
    #: From GOOD to BAD: a log ratio, or bytes.
    change: float

    @property
    def half(self) -> float:
        """Half of the change: what lies between good and bad."""
        return self.change / 2

    @property
    def said(self) -> str:
        """The change in words."""
        return _said(self.case.kind, self.change)


@dataclass
class Search:
    """Which commits are known to be what."""

    #: Oldest first; the first one is good, the last one bad.
    commits: Sequence[str]
    #: Places of the last one that is known to be good, and of the first one that is known to be bad.
    good: int = 0
    bad: int = field(init=False)
    #: Places of commits of which nothing can be known.
    skipped: set[int] = field(default_factory=set)
    tests: int = 0

    def __post_init__(self) -> None:
        self.bad = len(self.commits) - 1

    @property
    def open(self) -> list[int]:
        """Places that could still be tested."""
        return [place for place in range(self.good + 1, self.bad) if place not in self.skipped]

    def next(self) -> int | None:
        """Return the place to test next, the one nearest to the middle; None at the end."""
        middle = (self.good + self.bad) / 2
        return min(self.open, key=lambda place: (abs(place - middle), place), default=None)

    def tell(self, place: int, bad: bool) -> None:
        """Note what a commit is."""
        self.tests += 1
        if bad:
            self.bad = place
        else:
            self.good = place

    @property
    def candidates(self) -> list[str]:
        """Commits of which one is the first bad one: one of them, or more where some were skipped."""
        return list(self.commits[self.good + 1 : self.bad + 1])


def error_of_each(commits: int) -> float:
    """Chance of a wrong answer that each test is given: that of GOOD against BAD, and those that halving takes."""
    return ERROR / (1 + math.ceil(math.log2(max(commits, 1))))


def regression(pairs: dict[BenchmarkCase, Sequence[Pair]], error: float) -> Regression | None:
    """Return the case that became worse beyond doubt, by more than half of what it seems; the clearest of several."""
    found: list[tuple[float, Regression]] = []
    for case, rounds in pairs.items():
        change = _established(case, rounds, error / len(pairs))
        if change is not None:
            # Bytes as a share of the whole, so that both kinds have one order.
            size = change if case.kind is Kind.TIME else change / max(min(pair.base) for pair in rounds)
            found.append((size, Regression(case, change)))
    return max(found, key=lambda item: item[0])[1] if found else None


def is_bad(what: Regression, rounds: Sequence[Pair], error: float) -> bool | None:
    """Say whether a commit is bad by its rounds with GOOD; None where nothing is known yet."""
    for low, high in _intervals(what.case, rounds, error):
        if low > what.half:
            return True
        if high < what.half:
            return False
    return None


def seen(case: BenchmarkCase, rounds: Sequence[Pair]) -> str:
    """What rounds show, in words."""
    if case.kind is Kind.MEMORY:
        found = statistics.shift(*flat(rounds))
        return "nothing" if found is None else _said(case.kind, found.change)
    estimate = statistics.estimate(log_ratios(rounds))
    return "nothing" if estimate is None else _said(case.kind, estimate.log_ratio)


def _established(case: BenchmarkCase, rounds: Sequence[Pair], error: float) -> float | None:
    """The change of rounds at the first interim analysis at which it is more than half of itself for certain."""
    for middle, (low, _) in zip(_middles(case, rounds, error), _intervals(case, rounds, error), strict=True):
        if low > middle / 2 > 0:
            return middle
    return None


def _middles(case: BenchmarkCase, rounds: Sequence[Pair], error: float) -> list[float]:
    if case.kind is Kind.MEMORY:
        return [_shift(rounds[:count]) for count in _counts(rounds, error)]
    return [estimate.log_ratio for _, estimate in statistics.interim_estimates(log_ratios(rounds))]


def _intervals(case: BenchmarkCase, rounds: Sequence[Pair], error: float) -> list[tuple[float, float]]:
    """Intervals at all interim analyses; each side is wrong with ``error``, at whichever one stops."""
    if case.kind is Kind.MEMORY:
        found = []
        for count in _counts(rounds, error):
            base, head = flat(rounds[:count])
            found.append((min(head) - max(base), max(head) - min(base)))
        return found
    # Two-sided levels, of which a test has one side to be wrong on.
    return [
        estimate.interval(statistics.level_at(2 * error, count))
        for count, estimate in statistics.interim_estimates(log_ratios(rounds))
    ]


def _counts(rounds: Sequence[Pair], error: float) -> range:
    """Numbers of samples at which the extremes of both commits are an interval.

    All samples of a commit lie above all of the other, and above by the change itself, in one of C(2n, n) orders; each
    analysis has a quarter of the chance of the one before, so all of them have four thirds of the first one's.
    """
    least = statistics.LEAST_SAMPLES
    while 4 / 3 / math.comb(2 * least, least) > error:
        least += 1
    return range(least, len(rounds) + 1)


def _shift(rounds: Sequence[Pair]) -> float:
    found = statistics.shift(*flat(rounds))
    assert found is not None
    return found.change


def _said(kind: Kind, change: float) -> str:
    return f"{change / 1e6:+,.0f} MB" if kind is Kind.MEMORY else f"{100 * math.expm1(change):+.1f} %"
