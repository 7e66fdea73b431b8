"""Rounds of many commits at once: each case between the release and each commit, as a verdict runs it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from asv.config import Config
from asv.repo import Repo

from alb_core.calibrate.arms import Arm
from alb_core.calibrate.injected import NOTHING, Commits
from alb_core.calibrate.state import State
from alb_core.paths import data_root, environment_roots
from alb_core.verdict import canary, engine
from alb_core.verdict.cases import Case
from alb_core.verdict.rounds import Pair
from alb_core.verdict.sides import Outcome, Side, environments_of, spawners
from alb_core.verdict.statistics import USUAL_ROUNDS
from alb_core.verdict.store import Store

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
        pairs: Mapping[str, engine.Bench],
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
