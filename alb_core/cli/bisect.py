"""``alb bisect``: the first commit that made a benchmark worse."""

from __future__ import annotations

import click

from alb_core.cli.options import answer_alone, budget_option, by_option, machine_option


@click.command()
@click.argument("good")
@click.argument("bad")
@click.option(
    *("-b", "--bench", "patterns"), multiple=True, required=True, metavar="REGEX", help="Benchmarks, as in asv."
)
@budget_option(default="1h", help="Time to count, or to measure: 90s, 10m, 1h.")
@by_option
@machine_option
def bisect(good: str, bad: str, patterns: tuple[str, ...], budget: float, by: str, machine: str | None) -> int:
    """Find the first commit after GOOD, up to BAD, that made a benchmark slower or larger, or do more work.

    Work is looked at first: where a benchmark does more of it at BAD (or less, with --by work), commits are counted,
    two at a time, and each at which it changed is named. Else commits are tested against GOOD by the clock, each round
    by round until it is clear what it is. Only commits along first parents that change the
    package are looked at; one that cannot be built is skipped. Another call goes on where one ended. Exit status: 0
    found, 2 bad input, 3 not known, 130 interrupted.
    """
    from alb_core.verdicts import bisect as bisect_module

    request = bisect_module.BisectRequest(good, bad, patterns, budget, machine, by)
    with answer_alone():
        found = bisect_module.run(request)
    click.echo(bisect_module.text(found, request))
    return found.exit_status
