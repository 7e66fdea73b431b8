"""A campaign as text: where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from alb_core.rounds.release_schedule import ReleaseSchedule, duration_in_words, wanted_rounds
from alb_core.verdicts import campaign_work
from alb_core.verdicts.campaign import Campaign


def lines(campaign: Campaign) -> Iterator[str]:
    """Yield where a campaign stands, or what one would do."""
    first, last = (campaign.releases[0], campaign.releases[-1]) if campaign.releases else ("none", "none")
    yield f"machine    {campaign.machine}"
    yield f"releases   {len(campaign.releases)}, {first} to {last}"
    if not campaign.ran and campaign.missing:
        yield f"to install {len(campaign.missing)} releases"
    if campaign.ran:
        for version in campaign.missing:
            yield f"left out   {version}, which cannot be installed (above)"
    if campaign.work is not None:
        yield from campaign_work.lines(campaign.work)
    if campaign.schedule is not None:
        yield from _round_lines(campaign, campaign.schedule)


def _round_lines(campaign: Campaign, schedule: ReleaseSchedule) -> Iterator[str]:
    for count in sorted({wanted_rounds(case, schedule.rounds) for case in schedule.cases}, reverse=True):
        cases = [case for case in schedule.cases if wanted_rounds(case, schedule.rounds) == count]
        fewest, most = schedule.spread(cases)
        there = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        kinds = " and ".join(sorted({case.kind.value for case in cases}, reverse=True))
        yield f"rounds     {there} of {count} for each of {len(cases)} benchmarks of {kinds}"
    done = campaign.measured
    if done is not None:
        yield (
            f"this call  {done.turns:,} processes in {duration_in_words(done.seconds)}, "
            f"after {duration_in_words(campaign.installing)} of installing"
        )
    for version, reason in schedule.unusable.items():
        yield f"left out   {version}: {reason}"
    absent = sorted({case.name for _, case in schedule.absent})
    for name in absent:
        versions = [version for version, case in schedule.absent if case.name == name]
        yield f"n/a        {name} at {len(versions)} releases"
    for (version, case), reason in schedule.failures.items():
        yield f"failed     {case.name} at {version}: {reason}"
    again = "; the same command goes on" if done is not None and schedule.remaining().processes else ""
    yield f"left       {schedule.remaining().said}{again}"
