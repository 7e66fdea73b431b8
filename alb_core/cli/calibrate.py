"""``alb calibrate``: how often verdicts on this machine are right."""

from __future__ import annotations

import click

from alb_core.cli.options import answer_alone, bench_option, budget_option, machine_option, say


@click.command()
@machine_option
@click.option(
    "--minutes",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Time to measure, builds apart; 0 judges again what is recorded.",
)
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
    patterns: tuple[str, ...],
    budget: float,
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
    from alb_core.rounds.selections import VERDICT
    from alb_core.verdicts.calibration import calibration_text
    from alb_core.verdicts.calibration.calibrate import CalibrationRequest, run

    request = CalibrationRequest(machine, 60 * minutes, patterns or VERDICT.patterns, budget, resamples, not no_canary)
    with answer_alone():
        done = run(request)
    for line in done.failures:
        say(line)
    click.echo(calibration_text.text(done.known, form))
    say(f"written to {done.path}")
