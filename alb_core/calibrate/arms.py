"""What is measured in which round: each case between the release and each of the other commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alb_core.calibrate.injected import CHANGES, NOTHING
from alb_core.verdict.cases import Case, Kind
from alb_core.verdict.rounds import Pair, Rounds

#: In how many of :data:`OUT_OF` rounds a kind is measured. A verdict takes up to eight samples of memory, and rounds of
#: time as many as it has.
SHARES: Mapping[str, Mapping[Kind, int]] = {
    NOTHING: {Kind.TIME: 20, Kind.MEMORY: 8},
    "5%": {Kind.TIME: 20},
    "10%": {Kind.TIME: 20},
    "25%": {Kind.TIME: 20},
    "200MB": {Kind.MEMORY: 8},
}
OUT_OF = 20


@dataclass(frozen=True)
class Arm(Case):
    """A case between the release and another commit."""

    #: Of the change, as in :data:`~alb_core.calibrate.injected.CHANGES`, or none.
    size: str = NOTHING

    @property
    def case(self) -> Case:
        """What both sides run."""
        return Case(self.benchmark, self.index, self.parameters, self.kind)


def arms_of(cases: Iterable[Case]) -> list[Arm]:
    """Return every arm of some cases; those of a case stand side by side, so that an hour is the same to them."""
    return [
        Arm(case.benchmark, case.index, case.parameters, case.kind, size)
        for case in cases
        for size in (NOTHING, *CHANGES)
        if case.kind in SHARES[size]
    ]


def due(rounds: Rounds) -> list[Arm]:
    """Return the arms of the next round: those that are behind, after a command that was ended, before all others."""
    live = {arm: (len(pairs), _share(arm)) for arm, pairs in _live(rounds).items()}
    whole = min((done * OUT_OF // share for done, share in live.values()), default=0)
    # As many as the share of one round more, rounded up: each of them is in the first round.
    return [arm for arm, (done, share) in live.items() if done < -(-share * (whole + 1) // OUT_OF)]


def streams(rounds: Rounds) -> dict[str, dict[Case, Sequence[Pair]]]:
    """Return the rounds of each size, cut to what all its cases of a kind have; cases that failed are left out."""
    found: dict[str, dict[Case, Sequence[Pair]]] = {}
    live = _live(rounds)
    broken = {arm.case for arm in _arms(rounds) if arm not in live}
    kept = {arm: pairs for arm, pairs in live.items() if arm.case not in broken}
    for arm, pairs in kept.items():
        shortest = min(len(p) for a, p in kept.items() if (a.size, a.kind) == (arm.size, arm.kind))
        found.setdefault(arm.size, {})[arm.case] = pairs[:shortest]
    return found


def _share(arm: Arm) -> int:
    return SHARES[arm.size][arm.kind]


def _live(rounds: Rounds) -> dict[Arm, list[Pair]]:
    return {arm: rounds.pairs[arm] for arm in _arms(rounds) if arm not in rounds.failures and arm not in rounds.absent}


def _arms(rounds: Rounds) -> list[Arm]:
    return [case for case in rounds.pairs if isinstance(case, Arm)]
