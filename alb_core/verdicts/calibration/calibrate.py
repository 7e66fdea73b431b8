"""``alb calibrate`` without its command line: commits of a known change, to what verdicts say of them.

Their work is counted pair by pair (:mod:`alb_core.verdicts.calibration.work_pairs`), their time is measured in rounds.
These go through the environments, processes and results files of a verdict, of a place of their own: the release
is what others publish results of, and the other commits are nobody's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from asv.benchmarks import Benchmarks
from asv.config import Config
from tqdm import tqdm

from alb_core.base.paths import HISTORY_VARIABLE, Place, calibration_root, environment_roots, own_place
from alb_core.base.processes import variable_set
from alb_core.cases import epoch_seconds
from alb_core.cases.counter import Counter
from alb_core.commits.history import releases
from alb_core.rounds import canary
from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import Kind
from alb_core.rounds.installed_commits import CouldNotMeasureError, InstalledCommit, environments_of
from alb_core.rounds.measure import MeasuringSummary, measure
from alb_core.rounds.measuring_session import discovered, empty_results, session
from alb_core.rounds.pairs import LEAST_ROUNDS, Rounds
from alb_core.rounds.results.store import Store
from alb_core.rounds.schedules import BASE, HEAD, InjectedSchedule, TurnResult, injected_cases
from alb_core.rounds.selections import VERDICT, check, counted, selected
from alb_core.rounds.work import counter_for
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration import injected, rates, replay, waiting_rates, work_pairs, work_rates
from alb_core.verdicts.calibration.injected import NOTHING, SHARES, WAITING
from alb_core.verdicts.calibration.machine_state import MachineState
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.statistics import USUAL_ROUNDS, planned

#: Directories of the commits' environments: names as long as those of a verdict's, because a path's length counts.
_ROOTS: dict[str, Place] = {"5%": "c05", "10%": "c10", "25%": "c25", "200MB": "cmb", WAITING: "cwt"}


@dataclass(frozen=True)
class CalibrationRequest:
    """What is asked of a calibration."""

    #: Name; None for asv's own choice.
    machine: str | None = None
    #: To measure; none to judge again what is recorded. Half of them count work where both are asked for.
    seconds: float = 3600.0
    #: ``work``, ``time`` or ``all``.
    by: str = "all"
    patterns: tuple[str, ...] = VERDICT.patterns
    #: Of the verdicts that are judged (s).
    budget: float = 600.0
    #: Verdicts of each size from rounds drawn anew.
    resamples: int = 200
    run_canary: bool = True
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class CalibrationResult:
    """How a call went."""

    #: What is known of the machine now.
    known: Calibration
    path: Path
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
    state: MachineState
    benchmarks: Benchmarks
    measured: MeasuringSummary


def run(request: CalibrationRequest) -> CalibrationResult:
    """Measure for as long as is asked, judge all that there is, and write the machine's calibration."""
    check(request.patterns)
    counter = counter_for(request.by)
    failures: tuple[str, ...] = ()
    if counter is not None:
        if request.by == "work":
            return _work(request, counter)
        half = replace(request, seconds=request.seconds / 2)
        try:
            done = _work(half, counter)
            request, failures = half, done.failures
            print(f"alb: work is calibrated, and written to {done.path}", file=sys.stderr)
        except _NoPairError as error:
            print(f"alb: {error}", file=sys.stderr)
    found = _recorded(request)
    if found.measured.interrupted:
        raise _interrupted("rounds")
    rounds = found.rounds
    failures += tuple(f"{case.name}: failed on {said}" for case, said in rounds.failures.items())
    failures += tuple(f"{case.name}: n/a on {said}" for case, said in rounds.absent.items())
    streams = replay.streams(rounds)
    if not streams:
        raise CouldNotMeasureError(f"no benchmark could be measured: {failures[0]}")
    known = _known(request, found, streams)
    before = calibration_file.load(found.results, found.machine)
    known = replace(known, work=before.work if before else None)
    return CalibrationResult(known, calibration_file.save(found.results, known), failures)


def _interrupted(what: str) -> KeyboardInterrupt:
    print(f"alb: the {what} are kept, and the same command goes on", file=sys.stderr)
    return KeyboardInterrupt()


class _NoPairError(CouldNotMeasureError):
    """There is no pair whose work is counted."""


def _work(request: CalibrationRequest, counter: Counter) -> CalibrationResult:
    """Count pairs, and write what all of them say."""
    place = releases.path()
    with (
        variable_set(HISTORY_VARIABLE, str(place)),
        session(request.machine, environment_roots()) as (conf, repo, machine),
    ):
        results = Path(conf.results_dir)
        known = calibration_file.load(results, machine)
        file = calibration_root() / "work" / f"{machine}.json"
        pairs = work_pairs.FORMAT.read(file) or work_pairs.WorkPairs()
        made = injected.commit_all(place)
        head, base = environments_of(conf, environment_roots())
        release = InstalledCommit(BASE, made.release.version, made.by_size[NOTHING], base)
        release.install(conf, repo)
        benchmarks = discovered(conf, repo, release)
        chosen = counted(conf, benchmarks, request.patterns, counter.kind)
        counting = work_pairs.PairCounter(
            conf=conf,
            repo=repo,
            base=release,
            heads={size: InstalledCommit(HEAD, size, commit, head) for size, commit in made.by_size.items()},
            cases={timed.row: case for case, timed in chosen.items()},
            versions={name: str(benchmark["version"]) for name, benchmark in benchmarks.items()},
            name=counter.name,
            file=file,
        )
        if not counting.cases:
            raise _NoPairError(
                f"no benchmark of {', '.join(map(repr, request.patterns))} is counted: give others by -b"
            )
        try:
            failures = counting.run(pairs, request.seconds)
        except KeyboardInterrupt:
            raise _interrupted("pairs") from None
        work = work_rates.calibration(counting.judged(pairs))
        if work is None:
            why = next((f"{row}: {said}" for row, said in failures.items()), "give --minutes")
            raise _NoPairError(f"no pair of equal commits is counted on {machine} yet: {why}")
        known = known or Calibration(
            machine, work.measured, work.commit, request.budget, {}, {}, VerdictRates(Rate(0, 0))
        )
        known = replace(known, work=work)
        return CalibrationResult(
            known, calibration_file.save(results, known), tuple(f"{row}: {said}" for row, said in failures.items())
        )


def _recorded(request: CalibrationRequest) -> _Recorded:
    """Add rounds to those that there are."""
    place = releases.path()
    roots = [*environment_roots(), *(own_place(name) for name in _ROOTS.values())]
    with variable_set(HISTORY_VARIABLE, str(place)), session(request.machine, roots) as (conf, repo, machine):
        results = Path(conf.results_dir)
        # A damaged file where the result goes is refused now, not after an hour of measuring.
        calibration_file.load(results, machine)
        injected_commits = injected.commit_all(place)
        version, by_size = injected_commits.release.version, injected_commits.by_size
        # The release lies where a verdict has its BASE.
        base = InstalledCommit(BASE, version, by_size[NOTHING], environments_of(conf, environment_roots())[1])
        base.install(conf, repo)
        benchmarks = discovered(conf, repo, base)
        cases = injected_cases(selected(conf, benchmarks, request.patterns), SHARES)
        heads = {size: _head(conf, version, by_size, size) for size in dict.fromkeys(case.size for case in cases)}
        for head in heads.values():
            head.install(conf, repo)
        empty = empty_results(repo, base.environment, machine)
        root = calibration_root()
        stores = {
            size: Store(root / injected.plain_name(size), machine, empty, benchmarks, (base.commit, head.commit))
            for size, head in heads.items()
        }
        rounds = Rounds({case: stores[case.size].pairs(base.commit, heads[case.size].commit, case) for case in cases})
        state_file = root / f"{machine}.json"
        state = MachineState.load(state_file)
        ratios_file = root / "waiting" / f"{machine}.json"
        ratios = waiting_rates.FORMAT.read(ratios_file) or waiting_rates.Ratios()
        ratios.put_into(rounds)
        measured = MeasuringSummary()
        if request.seconds:
            commits = {BASE: base, **heads}

            def install_again(rounds_before: int) -> None:
                # Where files lie favours one commit or the other for as long as they lie there, and those of a verdict
                # lie somewhere else. A verdict has about as many rounds.
                if rounds_before % USUAL_ROUNDS == 0:
                    for commit in commits.values():
                        commit.install_again(conf, repo)
                    if request.run_canary:
                        state.canaries.append(dict(canary.look().spread))

            def keep_opening(seconds: float) -> None:
                # Of two commits, as in a verdict.
                state.openings.append(seconds / math.ceil(len(commits) / 2))
                state.save(state_file)

            def keep(result: TurnResult) -> None:
                size = result.turn.commits[1]
                stores[size].keep_pair(base.commit, heads[size].commit, result)
                if ratios.add(result):
                    waiting_rates.FORMAT.write(ratios_file, ratios)

            schedule = InjectedSchedule(rounds, SHARES)
            bench = Bench(conf, commits, benchmarks, request.attributes)
            with variable_set(epoch_seconds.VARIABLE, "1"):
                measured = measure(
                    *(bench, schedule, keep, request.seconds), before_group=install_again, after_start=keep_opening
                )
            if not measured.interrupted:
                schedule.require_one_round(measured.seconds, request.seconds, option="--minutes")
        seconds = dict.fromkeys(Kind, 0.0)
        for case in cases:
            if case.size == NOTHING:
                found = stores[NOTHING].pair_seconds(base.commit, heads[NOTHING].commit, case)
                seconds[case.kind] += found or 0.0
    return _Recorded(machine, base.commit, results, rounds, seconds, state, benchmarks, measured)


def _head(conf: Config, version: str, by_size: Mapping[str, str], size: str) -> InstalledCommit:
    """Return a commit in an environment of its own; the release again lies where a verdict has its HEAD."""
    first = environment_roots()[0]
    name = version if size == NOTHING else f"{version} worse by {size}"
    places = [first] if size == NOTHING else [first, own_place(_ROOTS[size])]
    return InstalledCommit(HEAD, name, by_size[size], environments_of(conf, places)[-1])


def _known(request: CalibrationRequest, found: _Recorded, streams: Mapping[str, replay.Stream]) -> Calibration:
    """Judge what there is."""
    if not found.state.openings or not any(map(any, (stream.values() for stream in streams.values()))):
        raise CouldNotMeasureError(f"nothing is recorded of these benchmarks on {found.machine} yet: give --minutes")
    opening = float(np.median(found.state.openings))
    most = replay.rounds_in(request.budget, opening, found.seconds[Kind.TIME], found.seconds[Kind.MEMORY])
    if most < LEAST_ROUNDS:
        raise CouldNotMeasureError(
            f"a verdict of {request.budget:.0f} s has {most} rounds on this machine, and says nothing with fewer than "
            f"{LEAST_ROUNDS}: give a larger --budget, or fewer benchmarks by -b. The rounds are kept"
        )
    few = {size: stream for size, stream in streams.items() if not replay.enough(stream, most)}
    if few:
        raise CouldNotMeasureError(_too_few(few, most, found.measured))
    with tqdm(total=len(streams) * request.resamples, desc="verdicts", disable=None) as bar:
        benchmarks, whole = rates.count(
            streams,
            Judge(usual=planned(most)),
            most,
            request.resamples,
            versions={name: str(benchmark["version"]) for name, benchmark in found.benchmarks.items()},
            processes_per_run={name: _processes(benchmark) for name, benchmark in found.benchmarks.items()},
            progress=bar.update,
        )
    spreads = found.state.canaries
    return Calibration(
        machine=found.machine,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=found.commit,
        budget=request.budget,
        canary={part: float(np.median([seen[part] for seen in spreads])) for part in (spreads[0] if spreads else ())},
        benchmarks=benchmarks,
        whole=whole,
        rounds=max(replay.lengths(streams[NOTHING]).values()),
        verdict_rounds=most,
        waiting=waiting_rates.count(streams, Judge(usual=planned(most)), most),
    )


def _too_few(few: Mapping[str, replay.Stream], most: int, measured: MeasuringSummary) -> str:
    words = ", ".join(
        f"{size}: {length} of {kind}" for size, stream in few.items() for kind, length in replay.lengths(stream).items()
    )
    pace = f", which took {measured.seconds / measured.groups:.0f} s each" if measured.groups else ""
    return (
        f"too few rounds for one verdict of {most} rounds ({words}{pace}): they are kept, and the same command "
        "goes on; or give a smaller --budget"
    )


def _processes(benchmark: Mapping[str, Any]) -> int:
    """Processes of a benchmark in one ``asv run``."""
    return int(benchmark.get("rounds") or 1) if benchmark["type"] == "time" else 1
