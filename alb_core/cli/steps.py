"""``alb history steps``: what the history of releases shows."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys

import click

from alb_core.cli.verdict import percent


@click.command()
@click.argument("words", metavar="[RANGE]", default="..")
@click.option("--machine", help="Whose results; asv's own choice by default.")
@click.option("-b", "--bench", "patterns", multiple=True, metavar="REGEX", help="Benchmarks, as in asv; repeatable.")
@click.option(
    "--threshold", default="5%", show_default=True, metavar="PERCENT", help="Smaller changes are called none."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def steps(words: str, machine: str | None, patterns: tuple[str, ...], threshold: str, as_json: bool) -> None:
    """List every release at which a campaign saw time or memory change by more than the noise.

    RANGE is as `alb campaign` takes it. Each line has the change, its interval (all of them hold at once, 95 %), and
    the levels before and after; the noise of a round follows for each benchmark.
    """
    share = percent(threshold)
    from alb_core.campaign import engine, report
    from alb_core.campaign.part import STANDARD
    from alb_core.campaign.steps import lines

    with contextlib.redirect_stdout(sys.stderr):
        rounds = engine.recorded(engine.Asked(words, patterns=patterns or STANDARD, machine=machine))
        found = lines(rounds, share)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(line) for line in found], indent=1))
        return
    for text in report.history(found):
        click.echo(text)
