"""Steps of a history as text: by time and memory, and by work."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from alb_core.commits.history import releases_lock
from alb_core.rounds.cases import Kind
from alb_core.verdicts.change_points import CaseSteps, Step
from alb_core.verdicts.work_changes import short_count
from alb_core.verdicts.work_steps import WorkStep


def lines(found: Sequence[CaseSteps], exact: Sequence[WorkStep]) -> Iterator[str]:
    """Yield all steps by release, then the noise of each case."""
    steps = [step for line in found for step in line.steps]
    for step in _by_release([*steps, *exact]):
        if isinstance(step, WorkStep):
            yield f"{step.version:8} {step.row}: {step.said}, since {step.before}"
            yield from (f"{'':11}{line}" for line in step.functions)
        else:
            levels = f"{_level(step, step.old)} -> {_level(step, step.new)}"
            yield f"{step.version:8} {step.case.name}: {_interval(step)}, {levels}, since {step.before}"
    if found and not steps:
        yield "no step over the noise"
    if not found and not exact:
        yield "no step: fewer than two releases are counted, or each does as much work as the one before"
    for case in found:
        noise = _bytes(case.noise) if case.case.kind is Kind.COUNT else f"{case.noise:.1%}"
        yield f"noise    {case.case.name}: {noise} a round, {case.rounds} rounds or more"


def markdown(found: Sequence[CaseSteps], exact: Sequence[WorkStep]) -> Iterator[str]:
    """Yield a table of all steps by release."""
    yield "| release | what | change | before, after | functions |"
    yield "|---|---|---|---|---|"
    for step in _by_release([*(step for line in found for step in line.steps), *exact]):
        if isinstance(step, WorkStep):
            counts = f"{short_count(step.work.base)}, {short_count(step.work.head)}"
            functions = "<br>".join(step.functions).replace("|", "¦")
            yield f"| {step.version} | `{step.row}` | {step.work.change:+.1%} | {counts} | {functions} |"
        else:
            levels = f"{_level(step, step.old)}, {_level(step, step.new)}"
            yield f"| {step.version} | `{step.case.name}` | {_interval(step)} | {levels} | |"


def as_json(found: Sequence[CaseSteps], exact: Sequence[WorkStep]) -> Iterator[str]:
    """Yield JSON: the cases of time and memory with their steps, and the steps of work with all functions."""
    yield json.dumps(
        {"rounds": [dataclasses.asdict(each) for each in found], "work": [dataclasses.asdict(each) for each in exact]},
        indent=1,
    )


def _by_release(steps: Sequence[Step | WorkStep]) -> list[Step | WorkStep]:
    releases = [release.version for release in releases_lock.load()]
    return sorted(steps, key=lambda step: releases.index(step.version))


def _interval(step: Step) -> str:
    return f"{_change(step, step.change)} ({_change(step, step.low)} to {_change(step, step.high)})"


def _change(step: Step, value: float) -> str:
    return _bytes(value, "+") if step.case.kind is Kind.COUNT else f"{value:+.1%}"


def _level(step: Step, value: float) -> str:
    return f"{value:.3g} s" if step.case.kind is Kind.TIME else _bytes(value)


def _bytes(value: float, sign: str = "") -> str:
    return f"{value / 2**20:{sign}.3g} MiB"
