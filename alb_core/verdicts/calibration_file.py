"""What is known of a machine's verdicts: ``data/results/<machine>/calibration.json``, its schema and its reading.

``alb calibrate`` writes it; ``alb verdict`` takes thresholds, the canary's usual spread and what to say of its own
word from it, and the published site the size of a step. A rate is two counts; its interval follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scipy import stats

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.rounds.results.machines import CALIBRATION


@dataclass(frozen=True)
class Rate:
    """How often something happened, of the times that it could have."""

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of}")

    @property
    def rate(self) -> float | None:
        """The rate; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Clopper and Pearson 1934)."""
        if not self.of:
            return 0.0, 1.0
        found = stats.binomtest(self.count, self.of).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Effect:
    """What an injected change was measured to be, relative, with its 95 % interval."""

    change: float
    low: float
    high: float


@dataclass(frozen=True)
class VerdictRates:
    """How good verdicts of a benchmark, or of all together, are."""

    #: Verdicts of equal commits that said worse or better; no two of them share a round.
    false_alarms: Rate
    #: By the size of an injected change (``5%``, ``10%``, ``25%``, ``200MB``): how often it was found; as above.
    power: Mapping[str, Rate] = field(default_factory=dict)
    #: asv's version of the benchmark that was calibrated; empty for the whole.
    version: str = ""
    #: Relative change to be called none below it; None for the default.
    threshold: float | None = None
    #: The same of verdicts from rounds drawn anew, in which equal commits change places. They have rounds
    #: in common: there are many more of them, and no interval follows from their number.
    resampled_false_alarms: Rate = Rate(0, 0)
    resampled_power: Mapping[str, Rate] = field(default_factory=dict)
    #: The smallest relative change that such a verdict shows in 95 of 100, in the median; None where unknown.
    visible: float | None = None
    #: What each change was measured to be, by size; ``0%`` is what two equal commits differ by.
    effects: Mapping[str, Effect] = field(default_factory=dict)
    #: Relative difference below which 99 of 100 pairs of runs of one commit stay; None where unknown.
    step: float | None = None


@dataclass(frozen=True)
class WorkRates:
    """How good words about the work of a case, or of all together, are."""

    #: Comparisons of equal commits that were told worse or better. No two share a count.
    false_alarms: Rate
    #: By injected change (``1% native``): how often it was told worse. Of one that only waits, none should be.
    found: Mapping[str, Rate] = field(default_factory=dict)
    #: Of those found, how often the injected function was named first.
    named: Mapping[str, Rate] = field(default_factory=dict)
    #: The largest relative difference of equal commits, on a quiet machine and on a busy one; None where unknown.
    largest: float | None = None
    largest_under_load: float | None = None
    #: What each change was counted to be, relative: the median.
    effects: Mapping[str, float] = field(default_factory=dict)


#: The threshold of work is so many times the largest difference of equal commits, and this at most.
SAFETY = 2
MOST_WORK_THRESHOLD = 0.02


@dataclass(frozen=True)
class WorkCalibration:
    """What is known of counted work on one machine."""

    #: When, ISO 8601.
    measured: str
    #: The release that was counted against itself, and below the injected changes.
    commit: str
    #: What counted, with its version.
    counter: str
    #: Relative change from which work is worse or better.
    threshold: float
    #: Pairs of equal commits, and those of them that were counted under load.
    pairs: int
    pairs_under_load: int
    #: By the row of a verdict, ``module.Class.epoch('table', 1024, 'none')``.
    cases: Mapping[str, WorkRates]
    #: Of a verdict with all of these cases.
    whole: WorkRates

    @property
    def differs_by_more(self) -> bool:
        """Whether equal commits differ by so much that the threshold would have to be more than the most."""
        return SAFETY * max(self.whole.largest or 0.0, self.whole.largest_under_load or 0.0) > MOST_WORK_THRESHOLD


@dataclass(frozen=True)
class WaitingRates:
    """How good verdicts are in which work is the same, so that the clock has only to exclude waiting.

    No two of them share a round.
    """

    #: Of equal commits: those that were told worse or better, and those of which waiting was excluded.
    false_alarms: Rate
    excluded: Rate
    #: Of a commit that waits 10 % longer: those told worse, and those told anything but that or not known.
    found: Rate
    missed: Rate


@dataclass(frozen=True)
class Calibration:
    """What is known of one machine."""

    machine: str
    #: When, ISO 8601.
    measured: str
    #: The release that was measured against itself, and below the injected changes.
    commit: str
    #: Seconds of each verdict.
    budget: float
    #: Spread of the canary's parts meanwhile: the median of its runs.
    canary: Mapping[str, float]
    #: By asv's name of a case, ``module.Class.time_epoch('table', 1024, 'none')``.
    benchmarks: Mapping[str, VerdictRates]
    #: Of the verdict as a whole.
    whole: VerdictRates
    #: Rounds of equal commits that all of it stands on; 0 where only work is calibrated.
    rounds: int = 0
    #: Rounds that a verdict of the budget has.
    verdict_rounds: int = 0
    #: Of counted work; None where it is not calibrated.
    work: WorkCalibration | None = None
    #: Of the same work; None where no rounds say their processor seconds.
    waiting: WaitingRates | None = None

    def thresholds(self) -> dict[str, float]:
        """Thresholds by case, where there are some."""
        return {name: known.threshold for name, known in self.benchmarks.items() if known.threshold is not None}

    def work_by(self, counter: str) -> WorkCalibration | None:
        """What is known of work that a counter counts; None where another one, or another version of it, counted."""
        return self.work if self.work is not None and self.work.counter == counter else None


#: The version is raised when a field changes its meaning.
_FORMAT = Format(
    Calibration,
    "calibration",
    ("schema_version", 1),
    "restore it, or move it away and make a new one with `alb calibrate`",
    allow_unknown=True,
)


def load(results: Path, machine: str) -> Calibration | None:
    """Read a machine's calibration; None where it has none."""
    path = results / machine / CALIBRATION
    found = _FORMAT.read(path)
    if found is not None and found.machine != machine:
        raise AlbError(f"{path} is the calibration of machine {found.machine}, expected {machine}: move it away")
    return found


def calibration_lines(known: Calibration | None, machine: str, budget: float, counter: str) -> list[str]:
    """Say how good verdicts of a machine are, in lines; of work where ``counter`` counted it, empty where none did."""
    if known is None:
        return [f"machine {machine} is not calibrated: how often its verdicts are wrong, `alb calibrate` finds out"]
    by_time = _time_lines(known, machine, budget) if known.benchmarks or known.work is None else []
    return [*_work_lines(known, counter), *by_time]


def _work_lines(known: Calibration, counter: str) -> list[str]:
    work = known.work_by(counter)
    if work is None:
        if known.work is None or not counter:
            return []
        return [
            f"words about work are not calibrated for {counter}, only for {known.work.counter}: "
            "`alb calibrate --by work` counts anew"
        ]
    alarms = [each.false_alarms for each in work.cases.values()]
    every = Rate(sum(each.count for each in alarms), sum(each.of for each in alarms))
    lines = [
        f"by calibration ({work.measured[:10]}), work of equal commits is called different in "
        f"{rate_in_words(every)} comparisons; {differences_in_words(work.whole)}"
    ]
    if work.differs_by_more:
        lines.append(differs_by_more_in_words(work))
    found = [f"{size} in {rate.count} of {rate.of}" for size, rate in work.whole.found.items() if rate.of]
    return [*lines, f"of more work they find {', '.join(found)}"] if found else lines


def differs_by_more_in_words(work: WorkCalibration) -> str:
    """Say that the threshold of work is the most that a calibration sets, and too little here."""
    return (
        f"counts on this machine differ by more than a threshold of {100 * work.threshold:.1f} %, the most that a "
        f"calibration sets, allows for ({SAFETY} times the largest difference)"
    )


def differences_in_words(known: WorkRates) -> str:
    """Say how far counts of equal commits lie apart."""
    shares = ((known.largest, ""), (known.largest_under_load, " under load"))
    words = [f"{100 * share:.2f} %{where}" for share, where in shares if share is not None]
    return f"they differ by at most {' and '.join(words)}" if words else "how far they differ is not known"


def _time_lines(known: Calibration, machine: str, budget: float) -> list[str]:
    whole = known.whole
    other = "" if budget == known.budget else f" of {_minutes(known.budget)} (this one: {_minutes(budget)})"
    drawn = whole.resampled_false_alarms
    found = f"by calibration ({known.measured[:10]}), verdicts of {machine}{other} give a false alarm in "
    lines = [found + rate_in_words(whole.false_alarms, drawn)]
    for size, rate in whole.power.items():
        lines.append(
            f"they find {more_in_words(size)} in {rate_in_words(rate, whole.resampled_power.get(size, Rate(0, 0)))}"
        )
    if whole.visible is not None:
        lines.append(f"the smallest change that they show in 95 of 100 is about {100 * whole.visible:.0f} %")
    return lines


def more_in_words(size: str) -> str:
    """Say a change: ``5% more``, or ``10% waiting``."""
    return size if " " in size else f"{size} more"


def rate_in_words(disjoint: Rate, resampled: Rate = Rate(0, 0)) -> str:
    """Say a rate of verdicts that share no round, and that of verdicts from rounds drawn anew."""
    low, high = disjoint.interval
    words = f"{disjoint.count} of {disjoint.of} ({100 * low:.1f} to {100 * high:.1f} %)" if disjoint.of else "0 of 0"
    return f"{words}; resampled {resampled.count} of {resampled.of}" if resampled.of else words


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.3g} min"


def save(results: Path, calibration: Calibration) -> Path:
    """Write a machine's calibration, whole or not at all; return where."""
    path = results / calibration.machine / CALIBRATION
    _FORMAT.write(path, calibration)
    return path
