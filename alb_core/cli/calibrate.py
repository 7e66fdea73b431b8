"""``alb calibrate``: how often verdicts on this machine are right."""

from __future__ import annotations

import contextlib
import sys

import click

from alb_core.cli.verdict import duration


@click.command()
@click.option("--machine", help="Name of this computer; asv's own choice by default.")
@click.option(
    "--minutes",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Time to measure, builds apart; 0 judges again what is recorded.",
)
@click.option("-b", "--bench", "patterns", multiple=True, metavar="REGEX", help="Benchmarks, as in asv; repeatable.")
@click.option("--budget", default="10m", show_default=True, metavar="TIME", help="Budget of the verdicts it is about.")
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
    patterns: tuple[str, ...],
    budget: str,
    resamples: int,
    no_canary: bool,
    form: str,
) -> None:
    """Find out how often verdicts on this machine are wrong, and what they find.

    Measures a release of tiledbsoma against itself, and against commits whose reads are 5, 10 and 25 % slower or that
    keep 200 MB more, round by round as `alb verdict` does; then counts what verdicts say of these rounds. Writes
    data/results/MACHINE/calibration.json, which `alb verdict` and the published site use. Another call adds rounds; an
    interrupted one loses none. Exit status: 0 done, 2 bad input, 3 too few rounds yet.
    """
    seconds = duration(budget)
    # Here, so that `alb --help` and a wrong option answer at once.
    from alb_core.rounds.selections import VERDICT
    from alb_core.verdicts.calibration import calibration_text
    from alb_core.verdicts.calibration.calibrate import CalibrationRequest, run

    request = CalibrationRequest(machine, 60 * minutes, patterns or VERDICT.patterns, seconds, resamples, not no_canary)
    # asv tells of its work on stdout, which is for the table alone.
    with contextlib.redirect_stdout(sys.stderr):
        done = run(request)
    for line in done.failures:
        click.echo(f"alb: {line}", err=True)
    click.echo(calibration_text.text(done.known, form))
    click.echo(f"alb: written to {done.path}", err=True)
