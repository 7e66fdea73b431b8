"""``alb verdict``: whether one commit is slower than another, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alb_core.base.errors import AlbError
from alb_core.cli.options import answer_alone, bench_option, budget_option, by_option, machine_option, threshold_option

if TYPE_CHECKING:
    from alb_core.commits.builds.given import GivenBuild


def _build_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name builds which are there."""
    path, stands = click.Path(path_type=Path), "measured as it stands"
    for side in ("head", "base"):
        wheel, prefix = (f"{what} as {side.upper()}, {stands}." for what in ("A wheel", "An environment's tiledbsoma"))
        command = click.option(f"--{side}-env", metavar="PREFIX", type=path, help=prefix)(command)
        command = click.option(f"--{side}-wheel", metavar="FILE", type=path, help=wheel)(command)
    return command


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@_build_options
@click.option("--build", type=click.Choice(["both"]), help="Compile both commits here, also where a release has them.")
@by_option
@budget_option(default="10m", help="Time to measure by the clock, counts apart: 90s, 10m, 1h.")
@bench_option
@threshold_option(help="A smaller change is called none.  [default: 5%; of work, 0.5% or the calibration's]")
@machine_option
@click.option("--aa", "same", is_flag=True, help="Measure a commit against itself: all that differs is noise.")
@click.option("--no-canary", is_flag=True, help="Do not look first how noisy the machine is.")
@click.option("--no-counters", is_flag=True, help="Do not look for what moved with a change.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, for a comment of a pull request.")
def verdict(
    base: str | None,
    head: str | None,
    base_wheel: Path | None,
    base_env: Path | None,
    head_wheel: Path | None,
    head_env: Path | None,
    build: str | None,
    by: str,
    budget: float,
    patterns: tuple[str, ...],
    threshold: float | None,
    machine: str | None,
    same: bool,
    no_canary: bool,
    no_counters: bool,
    form: str | None,
) -> int:
    """Say whether commit HEAD does more work, is slower, or takes more memory, than commit BASE of the history.

    Work is counted first: instructions, the same from run to run within some hundredths of a percent. Then both are
    measured side by side, round by round, until every answer is clear or the budget is spent; what does the same work
    needs few rounds. Another call goes on where one ended. Exit status: 0 no regression, 1 regression, 2 bad input, 3
    could not measure, 130 interrupted.
    """
    from alb_core.commits.builds.given import of_options
    from alb_core.rounds.selections import VERDICT
    from alb_core.verdicts import verdict_text
    from alb_core.verdicts.verdict import VerdictRequest, run

    builds = of_options("base", base_wheel, base_env), of_options("head", head_wheel, head_env)
    typed = [name for name in (base, head) if name is not None]
    if same and not typed:
        builds = builds[0] or builds[1], builds[1] or builds[0]
    base, head = _names(typed, builds)
    request = VerdictRequest(
        base=base,
        head=head,
        builds=builds,
        from_source=build == "both",
        by=by,
        budget=budget,
        patterns=patterns or VERDICT.patterns,
        threshold=threshold,
        machine=machine,
        same=same,
        run_canary=not no_canary,
        run_counters=not no_counters,
    )
    with answer_alone():
        found, context = run(request)
    forms = {None: verdict_text.text, "json": verdict_text.as_json, "markdown": verdict_text.markdown}
    click.echo(forms[form](found, context))
    return 130 if context.interrupted else found.exit_status


def _names(typed: Sequence[str], builds: Sequence[GivenBuild | None]) -> tuple[str, str]:
    """Names of BASE and HEAD: a build's own, or the next that was typed, else ``main`` and ``HEAD``."""
    left = list(typed)
    base, head = (
        build.name if build is not None else left.pop(0) if left else default
        for build, default in zip(builds, ("main", "HEAD"), strict=True)
    )
    if left:
        named = " and ".join(build.name for build in builds if build is not None)
        raise AlbError(f"commit {left[-1]!r} is too many beside {named}: a verdict compares two; leave one out")
    return base, head
