"""The goals of this package's loader, for those who develop it: `python tools/loader_goals.py DATASET`.

Each goal is a figure of one interleaved run of `alb compare-loaders`: what it says, who is measured for it, and whether
it is met. A copy of DATASET by `alb data retile` is needed for two of them (`--retiled NAME`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.cli.compare_loaders import progress_bars
from alb_core.cli.options import say
from alb_core.cli.source import located
from alb_core.loader import memory_budget
from alb_core.peers.compare import loaders
from alb_core.peers.compare.results import Outcome, Ratio, fastest, ratio
from alb_core.peers.compare.session import Session
from alb_core.peers.compare.workload import Contender, LoaderWorkload, expanded

OURS, RAW, ML = map(loaders.module_of, (loaders.OURS, loaders.RAW, "tiledbsoma_ml"))

#: Loaders that the goals speak of.
MODULES = (RAW, OURS, ML)

#: Rows at which the cost of a row is compared.
ROWS = (2**14, 2**16, 2**18)

#: Milliseconds that the slow consumer takes for a batch.
CONSUMER_MS = 100.0

#: Rows of a block where layouts are compared.
LAYOUT_BLOCK = 16384


def contenders_by_role(
    workload: LoaderWorkload, n_rows: int, retiled: LoaderWorkload | None, settings: Mapping[str, Sequence[str]]
) -> dict[str, list[Contender]]:
    """Choose who is measured for what; ``settings`` are those that each module has."""
    sequential = replace(workload, shuffle=False)
    layout = replace(workload, block_size=LAYOUT_BLOCK)
    roles = {
        "sequential": [_ours(sequential)],
        "sequential ml": _best(sequential, ML, settings),
        "sequential raw": _best(sequential, RAW, settings),
        "shuffled": [_ours(workload)],
        "shuffled ml default": [Contender(workload, ML, "default")],
        "shuffled ml": _best(workload, ML, settings),
        "sequential consumer": [_ours(replace(sequential, consumer_ms=CONSUMER_MS))],
        "consumer": [_ours(replace(workload, consumer_ms=CONSUMER_MS))],
        "census layout": [Contender(layout, OURS, "tight")] if retiled else [],
        "retiled": [Contender(replace(retiled, block_size=LAYOUT_BLOCK), OURS, "tight")] if retiled else [],
        "sequential rows": [],
        "rows": [],
        "proof": [],
    }
    for wanted in ROWS:
        limited = of_rows(workload, wanted, n_rows)
        roles["rows"].append(_ours(limited))
        roles["sequential rows"].append(_ours(of_rows(sequential, wanted, n_rows)))
        if limited.rows is not None:
            roles["proof"].append(Contender(replace(limited, passes=1), RAW, "default", proof_only=True))
    return roles


def of_rows(workload: LoaderWorkload, wanted: int, n_rows: int) -> LoaderWorkload:
    """The same over so many rows: the first ones, or several epochs where the dataset has fewer."""
    passes = -(-wanted // n_rows)
    rows = wanted // passes
    return replace(workload, rows=rows if rows < n_rows else None, passes=passes)


def _ours(workload: LoaderWorkload) -> Contender:
    return Contender(workload, OURS, "best")


def _best(workload: LoaderWorkload, module: str, settings: Mapping[str, Sequence[str]]) -> list[Contender]:
    """All that may be a loader's best setting: its own, and the same with each option of TileDB that ours has."""
    names = [name for name in expanded(["best"], settings.get(module, ())) if name != "default"]
    own = [Contender(workload, module, name) for name in names]
    if module == RAW:
        return own
    return own + [
        replace(one, options={"config": memory_budget.tuned_config()}, note="alb_core's context") for one in own
    ]


#: Outcomes by what they are measured for (:func:`contenders_by_role`).
Roles = Mapping[str, Sequence[Outcome]]


@dataclass(frozen=True)
class Goal:
    """What the loader should reach."""

    #: ``L1`` and so on; a letter where a goal has several parts.
    name: str
    #: What is measured, for people.
    sentence: str
    #: The figure to reach: at least that, or at most.
    threshold: float
    #: Behind the figure: ``x`` for a ratio.
    unit: str
    #: What is done with the outcomes of two roles: ``rate`` divides the rates of the first by those of the fastest of
    #: the second; ``waiting``, ``peak``, ``disk`` and ``evenness`` take the first alone.
    measure: str
    of: str
    against: str = ""
    at_least: bool = True

    @property
    def wanted(self) -> str:
        """The figure to reach, as it is written."""
        return f"{'at least' if self.at_least else 'at most'} {_figure(self.threshold, self.unit)}"


GOALS = (
    Goal("L1a", "sequential: alb_core / the best of tiledbsoma-ml", 1.5, "x", "rate", "sequential", "sequential ml"),
    Goal("L1b", "sequential: alb_core / the best raw tables() read", 0.9, "x", "rate", "sequential", "sequential raw"),
    Goal("L2a", "shuffled: alb_core / tiledbsoma-ml's defaults", 2.0, "x", "rate", "shuffled", "shuffled ml default"),
    Goal("L2b", "shuffled: alb_core / the best of tiledbsoma-ml", 1.5, "x", "rate", "shuffled", "shuffled ml"),
    Goal(
        "L3a", "sequential: waiting, a consumer of 100 ms", 5.0, "%", "waiting", "sequential consumer", at_least=False
    ),
    Goal("L3b", "shuffled: waiting, a consumer of 100 ms", 5.0, "%", "waiting", "consumer", at_least=False),
    Goal("L4", "peak memory of the whole tree, shuffled", 2.0, "GiB", "peak", "shuffled", at_least=False),
    Goal("L5a", "shuffled, blocks of 16,384: retiled / Census layout", 1.8, "x", "rate", "retiled", "census layout"),
    Goal("L5b", "size on disk: retiled / Census layout, apart from 1", 5.0, "%", "disk", "retiled", at_least=False),
    Goal("L6a", "sequential: cells/s of 16k, 64k, 256k rows: least / most", 0.9, "x", "evenness", "sequential rows"),
    Goal("L6b", "shuffled: cells/s of 16k, 64k, 256k rows: least / most", 0.9, "x", "evenness", "rows"),
)


@dataclass(frozen=True)
class GoalResult:
    """Where a goal stands."""

    #: Which.
    goal: Goal
    #: Median over the rounds, least and most; of a peak the most, as it is a cap. None where it was not measured.
    reached: float | None
    low: float | None
    high: float | None
    #: What the figure is made of, or why there is none.
    detail: str

    @property
    def state(self) -> str:
        """``met``, ``not met`` or ``not measured``."""
        if self.reached is None:
            return "not measured"
        far = self.reached - self.goal.threshold
        return "met" if (far >= 0 if self.goal.at_least else far <= 0) else "not met"

    def line(self) -> str:
        """Return the result as a line."""
        goal = self.goal
        if self.reached is None:
            return f"{goal.name:<4} {goal.sentence}: not measured: {self.detail}"
        reached = _figure(self.reached, goal.unit)
        if self.low is not None and self.high is not None and self.low != self.high:
            reached += f" ({_figure(self.low, '')}-{_figure(self.high, goal.unit)})"
        return f"{goal.name:<4} {goal.sentence}: {reached}, goal {goal.wanted}: {self.state}. {self.detail}"

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON holds it."""
        return {
            **asdict(self.goal),
            "reached": self.reached,
            "low": self.low,
            "high": self.high,
            "state": self.state,
            "detail": self.detail,
        }


def _figure(value: float, unit: str) -> str:
    digits = 1 if unit == "%" else 2
    return f"{value:.{digits}f}" + (" " if unit not in ("", "x") else "") + unit


def results(roles: Roles, why: Mapping[str, str], disk: Mapping[str, int]) -> list[GoalResult]:
    """Say of each goal where it stands."""
    return [_result(goal, roles, why, disk) for goal in GOALS]


def _result(goal: Goal, roles: Roles, why: Mapping[str, str], disk: Mapping[str, int]) -> GoalResult:
    for role in filter(None, (goal.of, goal.against)):
        missing = _missing(role, roles, why)
        if missing is not None and goal.measure != "disk":
            return GoalResult(goal, None, None, None, missing)
    if goal.measure == "rate":
        ours, theirs = fastest(roles[goal.of]), fastest(roles[goal.against])
        assert ours is not None and theirs is not None
        return _of_ratio(goal, ours, theirs)
    if goal.measure == "disk":
        return _of_disk(goal, why, disk)
    if goal.measure == "evenness":
        return _of_evenness(goal, roles[goal.of])
    ours = fastest(roles[goal.of])
    assert ours is not None
    return _of_waiting(goal, ours) if goal.measure == "waiting" else _of_peak(goal, ours)


def _missing(role: str, roles: Roles, why: Mapping[str, str]) -> str | None:
    """Say why a role has no figure; None where it has."""
    outcomes = roles.get(role, ())
    if not outcomes:
        return why.get(role, "nobody was measured for it")
    bad = [one for one in outcomes if not one.is_measured]
    # Of several that might be the best one is enough, but for rows, where each is a part.
    if len(bad) == len(outcomes) or (bad and role.endswith("rows")):
        return f"{bad[0]}: {bad[0].state}: {bad[0].reason or 'no round was finished'}"
    return None


def _of_ratio(goal: Goal, ours: Outcome, theirs: Outcome) -> GoalResult:
    found = ratio(ours, theirs)
    if found is None:
        return GoalResult(goal, None, None, None, "no round has both")
    return GoalResult(
        goal, found.middle, found.low, found.high, f"{_rate(ours)} against {_rate(theirs)}, {found.rounds} rounds"
    )


def _rate(outcome: Outcome) -> str:
    """Rate, and what it cost: where all CPUs are at work, only less work would make it faster."""
    rate, cpu, elapsed = (outcome.middle(each) for each in (lambda r: r.rate, lambda r: r.cpu, lambda r: r.elapsed))
    return f"{outcome} {rate:,.0f} cells/s ({cpu:.1f} CPU s in {elapsed:.1f} s)"


def _of_waiting(goal: Goal, ours: Outcome) -> GoalResult:
    low, high = ours.extremes(lambda run: 100 * run.waiting_share) or (None, None)
    first = ours.middle(lambda run: run.first_batch)
    after = ours.middle(lambda run: run.waiting_after_first)
    detail = f"{ours}: {first:.2f} s of it for the first batch"
    if after is not None:
        detail += f"; {100 * after:.1f} % of the time after it"
    return GoalResult(goal, ours.middle(lambda run: 100 * run.waiting_share), low, high, detail)


def _of_peak(goal: Goal, ours: Outcome) -> GoalResult:
    low, high = ours.extremes(lambda run: run.peak / 2**30) or (None, None)
    return GoalResult(goal, high, low, high, f"{ours}: the most of {len(ours.runs)} rounds")


def _of_disk(goal: Goal, why: Mapping[str, str], disk: Mapping[str, int]) -> GoalResult:
    if set(disk) != {"retiled", "census layout"}:
        return GoalResult(goal, None, None, None, why.get("retiled", "there is no retiled copy"))
    new, old = disk["retiled"], disk["census layout"]
    apart = 100 * abs(new - old) / old
    return GoalResult(goal, apart, None, None, f"{new / 2**20:,.0f} MiB against {old / 2**20:,.0f} MiB")


def _of_evenness(goal: Goal, sizes: Sequence[Outcome]) -> GoalResult:
    rounds = set.intersection(*({run.number for run in one.runs} for one in sizes))
    rates = [[next(run.rate for run in one.runs if run.number == turn) for one in sizes] for turn in sorted(rounds)]
    if not rates:
        return GoalResult(goal, None, None, None, "no round has all sizes")
    evenness = [min(row) / max(row) for row in rates]
    found = Ratio(median(evenness), min(evenness), max(evenness), len(evenness))
    parts = ", ".join(f"{_rows(one)}: {one.middle(lambda run: run.rate):,.0f} cells/s" for one in sizes)
    return GoalResult(goal, found.middle, found.low, found.high, f"{parts}; {_between(sizes)}")


def _between(sizes: Sequence[Outcome]) -> str:
    """What each row costs that one size has more than the one before: a first block that is waited for is in both."""
    costs = [(one.runs[0].n_rows, median(run.elapsed for run in one.runs)) for one in sizes]
    rates = []
    for (few, less), (many, more) in pairwise(costs):
        rate = f"{(many - few) / (more - less):,.0f} cells/s" if more > less else "no time"
        rates.append(f"from {few:,} to {many:,} rows at {rate}")
    return ", ".join(rates)


def _rows(outcome: Outcome) -> str:
    passes, rows = outcome.contender.workload.passes, outcome.runs[0].n_rows
    return f"{rows:,} rows" + (f" ({passes} epochs of {rows // passes:,})" if passes > 1 else "")


def measure(
    session: Session, workload: LoaderWorkload, n_rows: int, retiled: LoaderWorkload | None
) -> tuple[list[Outcome], list[GoalResult]]:
    """Measure what the goals need; what two goals need is measured once."""
    why, disk = {}, {}
    if retiled is None:
        command = f"alb data retile {workload.dataset} NAME first, then --retiled NAME"
        why = {"retiled": command, "census layout": command}
    else:
        disk = {"retiled": disk_bytes(retiled.location), "census layout": disk_bytes(workload.location)}
    settings = session.ask(MODULES, workload)
    roles = contenders_by_role(workload, n_rows, retiled, settings)
    contenders: list[Contender] = []
    for one in (one for role in roles.values() for one in role):
        if one not in contenders:
            contenders.append(one)
    outcomes = session.run(contenders)
    by_role = {role: [outcomes[contenders.index(one)] for one in ones] for role, ones in roles.items()}
    return outcomes, results(by_role, why, disk)


def disk_bytes(directory: str) -> int:
    """Size of all files of a directory, in bytes."""
    return sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file())


@click.command()
@click.argument("dataset")
@click.option("--retiled", metavar="NAME", help="A copy of DATASET by `alb data retile`.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What orders are drawn from.")
@click.option("--json", "document", type=click.Path(path_type=Path), metavar="FILE", help="All figures as JSON.")
def main(dataset: str, retiled: str | None, rounds: int, seed: int, document: Path | None) -> None:
    """Measure what the goals need, and print a line for each goal."""
    source, copy = located(dataset), None if retiled is None else located(retiled)
    workload = LoaderWorkload(dataset, source.location, seed=seed)
    processes.preload()
    with TemporaryDirectory(prefix="loader-goals-") as place:
        session = Session(Path(place), number=rounds, timeout_seconds=600, bars=progress_bars, say=say)
        n_rows = session.open(source.location, source.manifest)
        other = None
        if copy is not None:
            session.open(copy.location, copy.manifest)
            other = replace(workload, dataset=copy.uri, location=copy.location)
        outcomes, found = measure(session, workload, n_rows, other)
    for one in found:
        click.echo(one.line())
    if document is not None:
        content = {"goals": [one.as_json() for one in found], "loaders": [one.as_json() for one in outcomes]}
        document.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except AlbError as error:
        sys.exit(f"loader_goals: {error}")
