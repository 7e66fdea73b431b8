"""How often it is right that commits of the same work wait, or do not: rounds that say their processor seconds.

asv's results have no place for these seconds; they stand in a file beside them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alb_core.base.documents import Format
from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds.cases import Kind
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.schedules import InjectedCase, TurnResult, injected_cases_in
from alb_core.verdicts.calibration import replay
from alb_core.verdicts.calibration.injected import NOTHING, WAITING
from alb_core.verdicts.calibration.replay import Stream
from alb_core.verdicts.calibration_file import Rate, WaitingRates
from alb_core.verdicts.judge import Judge, Verdict
from alb_core.verdicts.statistics import Word
from alb_core.verdicts.waiting import has_epochs
from alb_core.verdicts.work_changes import ComparedWork, WorkChange


@dataclass(frozen=True)
class Ratio:
    """What the processes of one round took by the clock, over their processor seconds: geometric means of epochs."""

    #: The first samples of both, by which the round is found again.
    samples: tuple[float, ...]
    base: float
    head: float


@dataclass
class Ratios:
    """Those of a machine, by size of the change and by asv's name of a case."""

    sizes: dict[str, dict[str, list[Ratio]]] = field(default_factory=dict)

    def add(self, result: TurnResult) -> bool:
        """Take those of a round, and return whether it has some."""
        case = result.turn.case
        assert isinstance(case, InjectedCase), case
        base, head = result.results
        if not has_epochs(Pair(base.samples, head.samples, base.epochs, head.epochs)):
            return False
        ratio = Ratio((base.samples[0], head.samples[0]), _ratio(base.epochs), _ratio(head.epochs))
        self.sizes.setdefault(case.size, {}).setdefault(case.name, []).append(ratio)
        return True

    def put_into(self, rounds: Rounds) -> None:
        """Give recorded rounds an epoch of what theirs were, in the mean."""
        for case in injected_cases_in(rounds):
            by_samples = {ratio.samples: ratio for ratio in self.sizes.get(case.size, {}).get(case.name, [])}
            rounds.pairs[case] = [
                replace(
                    pair, base_epochs=(EpochSeconds(ratio.base, 1.0),), head_epochs=(EpochSeconds(ratio.head, 1.0),)
                )
                if (ratio := by_samples.get((pair.base[0], pair.head[0])))
                else pair
                for pair in rounds.pairs[case]
            ]


FORMAT = Format(Ratios, "processor seconds of a calibration", ("version", 1), "move it away", indent=None)


def _ratio(epochs: Sequence[EpochSeconds]) -> float:
    return math.exp(statistics.fmean(math.log(epoch.elapsed / epoch.processor) for epoch in epochs))


def count(streams: Mapping[str, Stream], judge: Judge, max_rounds: int) -> WaitingRates | None:
    """Count what verdicts say that know that the work is the same; None where no rounds have processor seconds."""
    equal = _verdicts(streams.get(NOTHING, {}), judge, max_rounds)
    waiting = _verdicts(streams.get(WAITING, {}), judge, max_rounds)
    if not equal and not waiting:
        return None

    def rate(verdicts: Sequence[Verdict], *words: Word) -> Rate:
        return Rate(sum(verdict.word in words for verdict in verdicts), len(verdicts))

    return WaitingRates(
        false_alarms=rate(equal, Word.WORSE, Word.BETTER),
        excluded=rate(equal, Word.SAME),
        found=rate(waiting, Word.WORSE),
        missed=rate(waiting, Word.SAME, Word.BETTER),
    )


def _verdicts(stream: Stream, judge: Judge, max_rounds: int) -> list[Verdict]:
    """Verdicts that share no round, of those rounds that have processor seconds in all cases."""
    times = {case: pairs for case, pairs in stream.items() if case.kind is Kind.TIME}
    whole = [each for each in zip(*times.values(), strict=True) if all(map(has_epochs, each))]
    kept = dict(zip(times, zip(*whole, strict=True), strict=True)) if whole else {}
    work = ComparedWork("", {case.row: WorkChange(1, 1, None, False) for case in kept})
    return [judge.verdict(rounds, work) for rounds in replay.disjoint(kept, judge, max_rounds, work)]
