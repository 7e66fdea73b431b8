"""``alb campaign``: all releases on one machine, interleaved."""

from __future__ import annotations

import click

from alb_core.cli.options import answer_alone, bench_option, budget_option, by_option, machine_option, shard


@click.command()
@click.argument("words", metavar="[RANGE]", default="..")
@budget_option(default="150m", help="Time for all of it: 45m, 2h.")
@click.option("--rounds", type=int, metavar="N", help="Rounds of each benchmark of time.  [default: 12]")
@bench_option
@by_option
@click.option("--shard", type=shard, metavar="K/N", help="Every N-th release from the K-th on; with --by work.")
@machine_option
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done and how long it takes; change nothing.")
def campaign(
    words: str,
    budget: float,
    rounds: int | None,
    patterns: tuple[str, ...],
    by: str,
    shard: tuple[int, int] | None,
    machine: str | None,
    dry_run: bool,
) -> int:
    """Count the work of releases of tiledb-soma, then measure them round by round: the first round of each, and so on.

    RANGE is 1.15.0..2.0.0 (both are in it), 1.15.0.., ..2.0.0 or one version; all releases by default. Work is counted
    once, two releases at a time on two CPUs; samples of time and memory are appended to asv's results. What is there is
    skipped, so the same command goes on where one ended. Counts of machines of one kind merge by copying their files in
    data/results/MACHINE/work together. Exit status: 0 done, or the budget is spent; 1 something failed; 2 bad input; 3
    could not measure.
    """
    from alb_core.rounds.release_schedule import ROUNDS
    from alb_core.rounds.selections import CAMPAIGN
    from alb_core.verdicts import campaign as campaign_module
    from alb_core.verdicts import campaign_text

    request = campaign_module.CampaignRequest(
        words, budget, ROUNDS if rounds is None else rounds, patterns or CAMPAIGN.patterns, machine, by, shard or (1, 1)
    )
    with answer_alone():
        found = campaign_module.plan(request) if dry_run else campaign_module.run(request)
    for line in campaign_text.lines(found):
        click.echo(line)
    return found.exit_status
