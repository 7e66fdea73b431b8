"""What a campaign prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alb_core.campaign.engine import Campaign
from alb_core.campaign.measure import in_words, said_left
from alb_core.campaign.part import wanted
from alb_core.campaign.steps import Line, Step
from alb_core.history import lock
from alb_core.verdict.cases import Kind


def lines(campaign: Campaign) -> Iterator[str]:
    """Yield where a campaign stands, or what one would do."""
    grid = campaign.grid
    first, last = (grid.versions[0], grid.versions[-1]) if grid.versions else ("none", "none")
    yield f"machine    {campaign.machine}"
    yield f"releases   {len(grid.versions)}, {first} to {last}"
    for count in sorted({wanted(case, grid.rounds) for case in grid.cases}, reverse=True):
        cases = [case for case in grid.cases if wanted(case, grid.rounds) == count]
        fewest, most = grid.spread(cases)
        there = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        kinds = " and ".join(sorted({case.kind.value for case in cases}, reverse=True))
        yield f"rounds     {there} of {count} for each of {len(cases)} benchmarks of {kinds}"
    if campaign.measured is None:
        if campaign.missing:
            yield f"to install {len(campaign.missing)} releases, on top of that"
    else:
        done = campaign.measured
        yield (
            f"this call  {done.processes:,} processes in {in_words(done.seconds)}, "
            f"after {in_words(campaign.installing)} of installing"
        )
        for version in campaign.missing:
            yield f"left out   {version}, which cannot be installed (above)"
    for version, reason in grid.out.items():
        yield f"left out   {version}: {reason}"
    absent = sorted({case.name for _, case in grid.absent})
    for name in absent:
        versions = [version for version, case in grid.absent if case.name == name]
        yield f"n/a        {name} at {len(versions)} releases"
    for (version, case), reason in grid.failures.items():
        yield f"failed     {case.name} at {version}: {reason}"
    again = "" if campaign.measured is None or not grid.left().processes else "; the same command goes on"
    yield f"left       {said_left(grid)}{again}"


def history(found: Sequence[Line]) -> Iterator[str]:
    """Yield the steps of all cases by release, then the noise of each case."""
    steps = [step for line in found for step in line.steps]
    releases = list(dict.fromkeys(release.version for release in lock.load()))
    for step in sorted(steps, key=lambda step: releases.index(step.version)):
        interval = f"{_change(step, step.change)} ({_change(step, step.low)} to {_change(step, step.high)})"
        levels = f"{_level(step, step.old)} -> {_level(step, step.new)}"
        yield f"{step.version:8} {step.case.name}: {interval}, {levels}, since {step.before}"
    if not steps:
        yield "no step over the noise"
    for line in found:
        noise = _bytes(line.noise) if line.case.kind is Kind.COUNT else f"{line.noise:.1%}"
        yield f"noise    {line.case.name}: {noise} a round, {line.rounds} rounds or more"


def _change(step: Step, value: float) -> str:
    return _bytes(value, "+") if step.case.kind is Kind.COUNT else f"{value:+.1%}"


def _level(step: Step, value: float) -> str:
    return f"{value:.3g} s" if step.case.kind is Kind.TIME else _bytes(value)


def _bytes(value: float, sign: str = "") -> str:
    return f"{value / 2**20:{sign}.3g} MiB"


def exit_status(campaign: Campaign) -> int:
    """Return 0, 1 where something failed, 3 where nothing could be measured, 130 where the user ended it."""
    if campaign.measured is None:
        return 0
    if campaign.measured.interrupted:
        return 130
    if not any(campaign.grid.counts.values()):
        return 3
    return 1 if campaign.grid.failures or campaign.grid.out or campaign.missing else 0
