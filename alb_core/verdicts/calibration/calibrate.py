"""``alb calibrate`` without its command line: rounds of commits of known slowness, to what verdicts say of them.

The rounds go through the environments, processes and results files of a verdict, of a place of their own: the release
is what others publish results of, and the other commits are nobody's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from asv.benchmarks import Benchmarks
from tqdm import tqdm

from alb_core.base.paths import HISTORY_VARIABLE, calibration_root, environment_roots
from alb_core.commits.history import releases
from alb_core.rounds import session
from alb_core.rounds.cases import STANDARD, Kind, check, selected
from alb_core.rounds.measure import Measured, measure
from alb_core.rounds.pairs import LEAST_ROUNDS, Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.sides import CouldNotMeasureError
from alb_core.verdicts import calibrated, verdict
from alb_core.verdicts.calibrated import Calibration
from alb_core.verdicts.calibration import injected, rates, replay, schedule
from alb_core.verdicts.calibration.injected import NOTHING
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.statistics import planned


@dataclass(frozen=True)
class Asked:
    """What is asked of a calibration."""

    #: Name; None for asv's own choice.
    machine: str | None = None
    #: To measure; none to judge again what is recorded.
    seconds: float = 3600.0
    #: Regular expressions of benchmarks; the standard ones by default.
    patterns: tuple[str, ...] = STANDARD
    #: Of the verdicts that are judged (s).
    budget: float = verdict.BUDGET
    #: Verdicts of each size from rounds drawn anew.
    draws: int = 200
    #: Whether the canary looks.
    look: bool = True
    #: asv's attributes of benchmarks to override.
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Done:
    """How a call went."""

    #: What is known of the machine now.
    known: Calibration
    #: The file with it.
    path: Path
    #: What this call measured.
    measured: Measured
    #: Cases that failed or are n/a, in words.
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Recorded:
    """What there is after measuring: the rounds, what they took, and what asv knows of their benchmarks."""

    machine: str
    commit: str
    results: Path
    rounds: Rounds
    seconds: Mapping[Kind, float]
    seen: calibrated.State
    benchmarks: Benchmarks
    measured: Measured


def run(asked: Asked) -> Done:
    """Measure rounds for as long as is asked, judge all that there are, and write the machine's calibration."""
    check(asked.patterns)
    found = _recorded(asked)
    if found.measured.interrupted:
        print("alb: the rounds are kept, and the same command goes on", file=sys.stderr)
        raise KeyboardInterrupt
    rounds = found.rounds
    failures = tuple(f"{case.name}: failed on {said}" for case, said in rounds.failures.items())
    failures += tuple(f"{case.name}: n/a on {said}" for case, said in rounds.absent.items())
    streams = schedule.streams(rounds)
    if not streams:
        raise CouldNotMeasureError(f"no benchmark could be measured: {failures[0]}")
    known = _known(asked, found, streams)
    return Done(known, calibrated.save(found.results, known), found.measured, failures)


def _recorded(asked: Asked) -> _Recorded:
    """Add rounds to those that there are."""
    place = releases.place()
    with (
        _history(place),
        session.session(asked.machine, [*environment_roots(), *schedule.roots()]) as (conf, repo, machine),
    ):
        results = Path(conf.results_dir)
        # Before an hour is spent: what stands where the result goes must be one.
        calibrated.load(results, machine)
        commits = injected.commit_all(place)
        base = schedule.base_side(conf, commits)
        base.install(conf, repo)
        benchmarks = session.discovered(conf, repo, base)
        wanted = schedule.arms_of(selected(conf, benchmarks, asked.patterns))
        heads = {size: schedule.head_side(conf, commits, size) for size in dict.fromkeys(arm.size for arm in wanted)}
        for side in heads.values():
            side.install(conf, repo)
        blank = session.blank(repo, base, machine)
        stores = {
            size: Store(_place(size), machine, blank, benchmarks, base.commit, heads[size].commit) for size in heads
        }
        rounds = Rounds.of(wanted)
        for arm in wanted:
            rounds.pairs[arm] += stores[arm.size].pairs(arm.case)
        kept = calibration_root() / f"{machine}.json"
        seen = calibrated.load_state(kept)
        measured = Measured()
        if asked.seconds:
            attributes = dict(asked.attributes or {})
            pairs = {
                size: session.Bench(conf, (base, heads[size]), benchmarks, stores[size], attributes) for size in heads
            }
            many = schedule.Bench(conf, repo, base, heads, pairs, seen, kept, asked.look)
            measured = measure(many, schedule.Keeper(stores), rounds, asked.seconds, schedule.due, option="--minutes")
        cases = [arm.case for arm in wanted if arm.size == NOTHING]
        seconds = {
            kind: sum(stores[NOTHING].seconds(case) or 0.0 for case in cases if case.kind is kind) for kind in Kind
        }
    return _Recorded(machine, base.commit, results, rounds, seconds, seen, benchmarks, measured)


def _known(asked: Asked, found: _Recorded, streams: Mapping[str, replay.Stream]) -> Calibration:
    """Judge what there is."""
    if not found.seen.openings or not any(map(any, (stream.values() for stream in streams.values()))):
        raise CouldNotMeasureError(f"nothing is recorded of these benchmarks on {found.machine} yet: give --minutes")
    opening = float(np.median(found.seen.openings))
    most = replay.rounds_in(asked.budget, opening, found.seconds[Kind.TIME], found.seconds[Kind.MEMORY])
    if most < LEAST_ROUNDS:
        raise CouldNotMeasureError(
            f"a verdict of {asked.budget:.0f} s has {most} rounds on this machine, and says nothing with fewer than "
            f"{LEAST_ROUNDS}: give a larger --budget, or fewer benchmarks by -b. The rounds are kept"
        )
    few = {size: stream for size, stream in streams.items() if not replay.enough(stream, most)}
    if few:
        raise CouldNotMeasureError(_too_few(few, most, found.measured))
    with tqdm(total=len(streams) * asked.draws, desc="verdicts", disable=None) as bar:
        benchmarks, whole = rates.count(
            streams,
            Judge(usual=planned(most)),
            most,
            asked.draws,
            versions={name: str(benchmark["version"]) for name, benchmark in found.benchmarks.items()},
            runs={name: _processes(benchmark) for name, benchmark in found.benchmarks.items()},
            told=bar.update,
        )
    spreads = found.seen.canaries
    return Calibration(
        machine=found.machine,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=found.commit,
        budget=asked.budget,
        canary={part: float(np.median([seen[part] for seen in spreads])) for part in (spreads[0] if spreads else ())},
        benchmarks=benchmarks,
        whole=whole,
        rounds=max(replay.lengths(streams[NOTHING]).values()),
        verdict_rounds=most,
    )


def _too_few(few: Mapping[str, replay.Stream], most: int, measured: Measured) -> str:
    words = ", ".join(
        f"{size}: {length} of {kind}" for size, stream in few.items() for kind, length in replay.lengths(stream).items()
    )
    pace = f", which took {measured.seconds / measured.rounds:.0f} s each" if measured.rounds else ""
    return (
        f"too few rounds for one verdict of {most} rounds ({words}{pace}): they are kept, and the same command "
        "goes on; or give a smaller --budget"
    )


def _processes(benchmark: Mapping[str, Any]) -> int:
    """Processes of a benchmark in one ``asv run``."""
    return int(benchmark.get("rounds") or 1) if benchmark["type"] == "time" else 1


def _place(size: str) -> Path:
    return calibration_root() / size.replace("%", "percent")


@contextlib.contextmanager
def _history(place: Path) -> Iterator[None]:
    """Let this process, and the builds that it starts, take their commits from a history that is not the one in use."""
    before = os.environ.get(HISTORY_VARIABLE)
    os.environ[HISTORY_VARIABLE] = str(place)
    try:
        yield
    finally:
        if before is None:
            del os.environ[HISTORY_VARIABLE]
        else:
            os.environ[HISTORY_VARIABLE] = before
