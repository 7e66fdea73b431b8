"""From rounds of known changes to how often verdicts are right. Pure."""

from __future__ import annotations

import itertools
import math
import statistics as plain
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Rounds, flat, log_ratios
from alb_core.verdicts import statistics
from alb_core.verdicts.calibration import replay
from alb_core.verdicts.calibration.injected import NOTHING
from alb_core.verdicts.calibration.replay import Stream
from alb_core.verdicts.calibration_file import Effect, Rate, VerdictRates
from alb_core.verdicts.judge import THRESHOLD, Change, Judge, Verdict
from alb_core.verdicts.statistics import Word

#: Share of pairs of runs of one commit that differ by less than a step that is published.
_QUIET = 0.99

#: Runs of one commit from which a step may be judged.
_LEAST_RUNS = 4


@dataclass
class Tally:
    """What some verdicts of one change said."""

    verdicts: int = 0
    #: How many of them had the word that counts.
    whole: int = 0
    #: The same for each case.
    cases: Counter[BenchmarkCase] = field(default_factory=Counter)
    #: The smallest change that each case's rounds could have shown, a verdict each.
    visible: dict[BenchmarkCase | None, list[float]] = field(default_factory=dict)

    def add(self, verdict: Verdict, cases: Iterable[BenchmarkCase], words: set[Word]) -> None:
        """Count a verdict."""
        self.verdicts += 1
        self.whole += verdict.word in words
        for case in cases:
            change = _change_of(verdict, case)
            if change is not None:
                self.cases[case] += change.word in words
                if change.visible is not None:
                    self.visible.setdefault(case, []).append(change.visible)
        seen = [row.time.visible for row in verdict.rows if row.time is not None and row.time.visible is not None]
        if seen:
            self.visible.setdefault(None, []).append(min(seen))

    def of(self, case: BenchmarkCase | None) -> Rate:
        """The rate of a case, or of the whole."""
        return Rate(self.whole if case is None else self.cases[case], self.verdicts)

    def seen(self, case: BenchmarkCase | None) -> float | None:
        """The median of what could be seen of a case, or anywhere."""
        return plain.median(self.visible[case]) if case in self.visible else None


def count(
    streams: Mapping[str, Stream],
    judge: Judge,
    max_rounds: int,
    resamples: int,
    versions: Mapping[str, str],
    processes_per_run: Mapping[str, int],
    progress: Callable[[], object] = lambda: None,
) -> tuple[dict[str, VerdictRates], VerdictRates]:
    """Count what verdicts of known changes say."""
    disjoint: dict[str, Tally] = {}
    resampled: dict[str, Tally] = {}
    for number, (size, stream) in enumerate(streams.items()):
        words = {Word.WORSE, Word.BETTER} if size == NOTHING else {Word.WORSE}
        # Seeded for each size by itself, or more rounds of one would change the draws of the next.
        rng = np.random.default_rng(number)
        disjoint[size], resampled[size] = Tally(), Tally()
        for tally, verdicts in (
            (disjoint[size], replay.disjoint(stream, judge, max_rounds)),
            (resampled[size], replay.resampled(stream, judge, max_rounds, resamples, rng, equal=size == NOTHING)),
        ):
            for rounds in verdicts:
                tally.add(judge.verdict(rounds), stream, words)
                progress()

    def rates_of(case: BenchmarkCase | None) -> VerdictRates:
        sizes = [size for size, stream in streams.items() if case is None or case in stream]
        injected = [size for size in sizes if size != NOTHING]
        equal = NOTHING in sizes
        return VerdictRates(
            false_alarms=disjoint[NOTHING].of(case) if equal else Rate(0, 0),
            power={size: disjoint[size].of(case) for size in injected},
            resampled_false_alarms=resampled[NOTHING].of(case) if equal else Rate(0, 0),
            resampled_power={size: resampled[size].of(case) for size in injected},
            visible=resampled[NOTHING].seen(case) if equal else None,
            effects={} if case is None else _effects(case, streams, sizes),
            version="" if case is None else versions[case.benchmark],
            step=None if case is None else step(_base_samples(case, streams), processes_per_run[case.benchmark]),
        )

    cases = dict.fromkeys(case for stream in streams.values() for case in stream)
    return {case.name: rates_of(case) for case in cases}, rates_of(None)


def _effects(case: BenchmarkCase, streams: Mapping[str, Stream], sizes: Iterable[str]) -> dict[str, Effect]:
    """What each change was measured to be, by all rounds: a read that is slower is not all of an epoch."""
    found = {}
    for size in sizes:
        rounds = Rounds({case: list(streams[size][case])})
        if case.kind is Kind.TIME:
            estimate = statistics.estimate(log_ratios(rounds.pairs[case]))
            if estimate is not None:
                low, high = estimate.interval(statistics.ALPHA)
                found[size] = Effect(*map(math.expm1, (estimate.log_ratio, low, high)))
        else:
            base, head = flat(rounds.pairs[case])
            shift = statistics.shift(base, head)
            if shift is not None:
                middle = plain.median(base)
                found[size] = Effect(shift.change / middle, shift.low / middle, shift.high / middle)
    return found


def _base_samples(case: BenchmarkCase, streams: Mapping[str, Stream]) -> list[list[tuple[float, ...]]]:
    """What processes of the release gave, a sequence for each size."""
    return [[pair.base for pair in stream[case]] for stream in streams.values() if case in stream]


def step(sequences: Sequence[Sequence[tuple[float, ...]]], run: int) -> float | None:
    """Return the relative difference below which 99 of 100 pairs of runs of one commit stay, in whole percents."""
    differences: list[float] = []
    for processes in sequences:
        starts = range(0, len(processes) - run + 1, run)
        runs = [plain.median(x for process in processes[at : at + run] for x in process) for at in starts]
        if len(runs) >= _LEAST_RUNS:
            differences += [abs(math.log(one / other)) for one, other in itertools.combinations(runs, 2)]
    if not differences:
        return None
    return max(THRESHOLD, math.ceil(100 * math.expm1(float(np.quantile(differences, _QUIET)))) / 100)


def _change_of(verdict: Verdict, case: BenchmarkCase) -> Change | None:
    row = next((row for row in verdict.rows if not row.together and row.name == case.row), None)
    return None if row is None else row.time if case.kind is Kind.TIME else row.memory
