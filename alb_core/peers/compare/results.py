"""What was measured of each contender: runs, medians and ranges, ratios paired by round, and shuffle quality. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.peers.compare.workload import Contender, LoaderWorkload

Float64 = npt.NDArray[np.float64]


def perfect_entropy(group_sizes: Sequence[int] | npt.NDArray[np.int64], batch_size: int) -> float:
    """Entropy of the groups within a batch, in bits, that a perfect shuffle has on average. Exact.

    A batch of a perfect shuffle is drawn without replacement, so the rows of each group in it follow a hypergeometric
    distribution, and the mean of a sum is the sum of the means.
    """
    total = int(np.sum(group_sizes))
    sizes, times = np.unique(np.asarray(group_sizes, dtype=np.int64), return_counts=True)
    expected = 0.0
    for size, repeated in zip(sizes.tolist(), times.tolist(), strict=True):
        if not size:
            continue
        counts, chances = _hypergeometric(total, size, batch_size)
        shares = counts[counts > 0] / batch_size
        expected -= repeated * float((chances[counts > 0] * shares * np.log2(shares)).sum())
    return max(0.0, expected)


def _hypergeometric(total: int, marked: int, drawn: int) -> tuple[Float64, Float64]:
    """Numbers of marked rows among those drawn, and the chance of each.

    By the ratio of one chance to the one before it, added up as logarithms: no factorial of a million rows is needed.
    """
    counts = np.arange(max(0, drawn - (total - marked)), min(drawn, marked) + 1, dtype=np.float64)
    before = counts[:-1]
    ratios = (marked - before) * (drawn - before) / ((before + 1) * (total - marked - drawn + before + 1))
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    chances = np.exp(logs - logs.max())
    return counts, chances / chances.sum()


def shuffle_quality(
    entropies: float | None, sizes: Mapping[str, int], group_sizes: npt.NDArray[np.int64] | None
) -> float | None:
    """Entropy of the source datasets in all batches, divided by the mean of a perfect shuffle."""
    if entropies is None or group_sizes is None:
        return None
    total = int(group_sizes.sum())
    perfect = sum(times * perfect_entropy(group_sizes, min(int(size), total)) for size, times in sizes.items())
    return entropies / perfect if perfect > 1e-9 else None


@dataclass(frozen=True)
class Run:
    """One epoch, or some passes, of one contender."""

    #: Number of its round, from 0.
    number: int
    #: Rows delivered, and those after the first batch.
    n_rows: int
    rows_after_first: int
    #: Seconds: before the clock starts; of all; until the first batch was there; after it was done with.
    opening: float
    elapsed: float
    first_batch: float
    after_first: float
    #: Seconds in which the consumer waited, the first batch included.
    waiting: float
    #: Seconds of CPU of the whole tree.
    cpu: float
    #: Most memory of the whole tree, bytes.
    peak: int
    #: Of the shuffle (:func:`alb_core.peers.compare.results.shuffle_quality`); None where there is nothing to mix.
    quality: float | None

    @property
    def rate(self) -> float:
        """Cells a second, the first batch counted."""
        return self.n_rows / self.elapsed

    @property
    def rate_after_first(self) -> float | None:
        """Cells a second after the first batch; None where there is no other."""
        return self.rows_after_first / self.after_first if self.rows_after_first else None

    @property
    def waiting_share(self) -> float:
        """Part of the time in which the consumer waited."""
        return self.waiting / self.elapsed

    @property
    def waiting_after_first(self) -> float | None:
        """Part of the time after the first batch in which the consumer waited; None where there was none."""
        return (self.waiting - self.first_batch) / self.after_first if self.rows_after_first else None


@dataclass
class Outcome:
    """The result of a contender."""

    contender: Contender
    #: The loader as tables show it, and distributions that its figures depend on.
    name: str
    version: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    #: Options with which it ran.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: One for each round that it ended well.
    runs: list[Run] = field(default_factory=list)
    #: ``measured``; ``n/a``, which is no fault; ``wrong`` (it delivered something else than the dataset holds) or
    #: ``failed`` (it died, hung or raised).
    state: str = "measured"
    #: Why it is not measured.
    reason: str | None = None

    def __str__(self) -> str:
        """As messages show it."""
        return f"{self.name} ({self.contender.label})"

    @property
    def is_measured(self) -> bool:
        """Whether there is a figure, and none that was wrong."""
        return self.state == "measured" and bool(self.runs)

    def middle(self, figure: Callable[[Run], float | None]) -> float | None:
        """Median of a figure over the rounds; None where there is none."""
        found = self._all(figure)
        return median(found) if self.is_measured and found else None

    def extremes(self, figure: Callable[[Run], float | None]) -> tuple[float, float] | None:
        """Least and most of a figure over the rounds; None where there is none."""
        found = self._all(figure)
        return (min(found), max(found)) if self.is_measured and found else None

    def _all(self, figure: Callable[[Run], float | None]) -> list[float]:
        return [value for value in map(figure, self.runs) if value is not None]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        workload = {name: value for name, value in asdict(self.contender.workload).items() if name != "location"}
        runs = [{**asdict(one), "rate": one.rate, "rate_after_first": one.rate_after_first} for one in self.runs]
        return {
            "loader": self.name,
            "module": self.contender.module,
            "setting": self.contender.label,
            "version": self.version,
            "versions": dict(self.versions),
            "options": dict(self.options),
            "workload": workload,
            "state": self.state,
            "reason": self.reason,
            "runs": runs,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Outcome:
        """Read what :meth:`as_json` wrote; where the experiment lay is not in it."""
        known = {one.name for one in fields(Run)}
        runs = [Run(**{name: value for name, value in run.items() if name in known}) for run in content["runs"]]
        contender = Contender(
            LoaderWorkload(location="", **content["workload"]), str(content["module"]), str(content["setting"])
        )
        return cls(
            contender,
            str(content["loader"]),
            content["version"],
            dict(content["versions"]),
            dict(content["options"]),
            runs,
            str(content["state"]),
            content["reason"],
        )


@dataclass(frozen=True)
class Ratio:
    """Ratio of two figures, round by round."""

    #: Median of the rounds' ratios.
    middle: float
    #: Least and most of them.
    low: float
    high: float
    #: How many there are.
    rounds: int


def ratio(above: Outcome, below: Outcome, figure: Callable[[Run], float | None] = lambda run: run.rate) -> Ratio | None:
    """Divide a figure of one contender by that of another, each pair from one round; None where there is no pair.

    What slows the computer down for a while slows both of a round, and drops out of the ratio of that round; it would
    not drop out of the ratio of two medians.
    """
    if not (above.is_measured and below.is_measured):
        return None
    others = {run.number: figure(run) for run in below.runs}
    pairs = [(figure(run), others.get(run.number)) for run in above.runs]
    ratios = [one / other for one, other in pairs if one is not None and other]
    return Ratio(median(ratios), min(ratios), max(ratios), len(ratios)) if ratios else None


def fastest(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The outcome whose median rate is highest; None where none was measured."""
    measured = [outcome for outcome in outcomes if outcome.is_measured]
    return max(measured, key=lambda outcome: outcome.middle(lambda run: run.rate) or 0.0, default=None)
