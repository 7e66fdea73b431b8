"""What is measured in which round: each case between the release and each of the other commits.

Rounds of many commits at once: each case between the release and each commit, as a verdict runs it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asv.config import Config
from asv.repo import Repo

from alb_core.base.paths import data_root, environment_roots
from alb_core.rounds import canary, session
from alb_core.rounds.cases import Case, Kind
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.sides import Outcome, Side, environments_of, spawners
from alb_core.verdicts.calibrated import State
from alb_core.verdicts.calibration.injected import CHANGES, NOTHING, Commits
from alb_core.verdicts.statistics import USUAL_ROUNDS

#: Directories of the commits' environments: names as long as those of a verdict's, because a path's length counts.
_ROOTS = {"5%": "c05", "10%": "c10", "25%": "c25", "200MB": "cmb"}


def roots() -> list[Path]:
    """Directories of environments besides those of a verdict."""
    return [data_root() / name for name in _ROOTS.values()]


def base_side(conf: Config, commits: Commits) -> Side:
    """Return the release, in the environment where a verdict has its BASE."""
    return Side("BASE", commits.release.version, commits.release.commit, environments_of(conf, environment_roots())[1])


def head_side(conf: Config, commits: Commits, size: str) -> Side:
    """Return one of the other commits, in an environment of its own; the release again where a verdict has its HEAD."""
    first = environment_roots()[0]
    name = commits.release.version if size == NOTHING else f"{commits.release.version} worse by {size}"
    places = [first] if size == NOTHING else [first, data_root() / _ROOTS[size]]
    return Side("HEAD", name, commits.by_size[size], environments_of(conf, places)[-1])


class Bench:
    """Runs arms.

    Every 25 rounds, about as many as a verdict has, all commits are installed again: where files lie favours one
    side or the other for as long as they lie there, and a verdict's lie somewhere else.
    """

    def __init__(
        self,
        conf: Config,
        repo: Repo,
        base: Side,
        heads: Mapping[str, Side],
        pairs: Mapping[str, session.Bench],
        seen: State,
        kept: Path,
        look: bool,
    ) -> None:
        self._conf, self._repo = conf, repo
        self._base, self._heads, self._pairs = base, heads, pairs
        self._seen, self._kept, self._look = seen, kept, look
        self._opened = 0
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        """Begin a round with new processes to fork from, two sides at a time as in a verdict."""
        if self._opened % USUAL_ROUNDS == 0:
            self._renew()
        sides = [self._base, *self._heads.values()]
        begun = time.monotonic()
        made = []
        for first in range(0, len(sides), 2):
            made += self._stack.enter_context(spawners(sides[first : first + 2], self._conf))
        for pair, head in zip(self._pairs.values(), made[1:], strict=True):
            pair.share([made[0], head])
        self._seen.openings.append((time.monotonic() - begun) / -(-len(sides) // 2))
        self._seen.save(self._kept)
        self._opened += 1

    def run(self, case: Case, base_first: bool) -> tuple[Outcome, Outcome]:
        """Run an arm's case once on each side, a process each."""
        arm = _arm(case)
        return self._pairs[arm.size].run(arm.case, base_first)

    def close(self) -> None:
        """End the round's processes."""
        self._stack.close()

    def _renew(self) -> None:
        for side in (self._base, *self._heads.values()):
            side.renew(self._conf, self._repo)
        if self._look:
            self._seen.looked(canary.look())


class Keeper:
    """Keeps the rounds of each size in results of its own."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores

    def add(self, case: Case, pair: Pair, started: datetime, seconds: float) -> None:
        """Keep a round of an arm."""
        arm = _arm(case)
        self._stores[arm.size].add(arm.case, pair, started, seconds)


def _arm(case: Case) -> Arm:
    assert isinstance(case, Arm), case
    return case


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

    #: Of the change, as in :data:`~alb_core.verdicts.calibration.injected.CHANGES`, or none.
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
