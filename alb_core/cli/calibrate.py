"""``alb calibrate``: how often verdicts on this machine are right."""

from __future__ import annotations

import click

from alb_core.cli.options import FiniteRange, answer_alone, bench_option, budget_option, by_option, machine_option, say


@click.command()
@machine_option
@click.option(
    "--minutes",
    default=60.0,
    show_default=True,
    type=FiniteRange(min=0),
    help="Time to measure, builds apart; 0 judges again what is recorded.",
)
@by_option
@bench_option
@budget_option(default="10m", help="Budget of the verdicts it is about.")
@click.option(
    "--resamples",
    default=200,
    show_default=True,
    type=click.IntRange(min=0),
    help="Verdicts of each change from rounds drawn anew.",
)
@click.option("--no-canary", is_flag=True, help="Do not look how much the machine varies by itself.")
@click.option("--markdown", "form", flag_value="github", default="plain", help="Print Markdown.")
def calibrate(
    machine: str | None,
    minutes: float,
    by: str,
    patterns: tuple[str, ...],
    budget: float,
    resamples: int,
    no_canary: bool,
    form: str,
) -> None:
    """Find out how often verdicts on this machine are wrong, and what they find.

    Compares a release of tiledbsoma with itself, and with commits of a known change. Work: commits that do 0.5, 1, 2
    and 5 % more of it, each commit installed anew for each pair, some pairs beside eight busy processes. Time and
    memory: commits whose reads are 5, 10 and 25 % slower, or wait 10 % longer, or that keep 200 MB more, round by round
    as `alb verdict` does. Then counts what verdicts say. Writes data/results/MACHINE/calibration.json, which `alb
    verdict` and the published site use. Of --minutes, half go to each, unless --by names one; another call adds to what
    is there, and an interrupted one loses no round and no pair. Exit status: 0 done, 2 bad input, 3 too few rounds yet.
    """
    from alb_core.rounds.selections import VERDICT
    from alb_core.verdicts.calibration import calibration_text
    from alb_core.verdicts.calibration.calibrate import CalibrationRequest, run

    chosen = patterns or VERDICT.patterns
    request = CalibrationRequest(machine, 60 * minutes, by, chosen, budget, resamples, not no_canary)
    with answer_alone():
        done = run(request)
    for line in done.failures:
        say(line)
    click.echo(calibration_text.text(done.known, form))
    say(f"written to {done.path}")
