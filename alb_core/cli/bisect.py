"""``alb bisect``: the first commit that made a benchmark worse."""

from __future__ import annotations

import contextlib
import sys

import click

from alb_core.cli.verdict import duration


@click.command()
@click.argument("good")
@click.argument("bad")
@click.option(
    *("-b", "--bench", "patterns"), multiple=True, required=True, metavar="REGEX", help="Benchmarks, as in asv."
)
@click.option("--budget", default="1h", show_default=True, metavar="TIME", help="Time to measure: 90s, 10m, 1h.")
@click.option("--machine", help="Name of this computer; asv's own choice by default.")
def bisect(good: str, bad: str, patterns: tuple[str, ...], budget: str, machine: str | None) -> int:
    """Find the first commit after GOOD, up to BAD, that made a benchmark slower or larger.

    Commits along first parents that change the package are tested against GOOD, each round by round until it is clear
    what it is; one that cannot be built is skipped. Another call goes on where one ended. Exit status: 0 found, 2 bad
    input, 3 not known.
    """
    seconds = duration(budget)
    # Here, so that `alb --help` and a wrong option answer at once.
    from alb_core.verdicts import bisect as bisect_module

    request = bisect_module.BisectRequest(good, bad, patterns, seconds, machine)
    # asv tells of its work on stdout, which is for the answer alone.
    with contextlib.redirect_stdout(sys.stderr):
        found = bisect_module.run(request)
    click.echo(bisect_module.text(found, request))
    return found.exit_status
