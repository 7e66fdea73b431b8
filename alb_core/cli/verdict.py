"""``alb verdict``: whether one commit is slower than another, and how sure that is."""

from __future__ import annotations

import contextlib
import re
import sys

import click

from alb_core.base.errors import AlbError


@click.command()
@click.argument("base", default="main")
@click.argument("head", default="HEAD")
@click.option("--budget", default="10m", show_default=True, metavar="TIME", help="Time to measure: 90s, 10m, 1h.")
@click.option("-b", "--bench", "patterns", multiple=True, metavar="REGEX", help="Benchmarks, as in asv; repeatable.")
@click.option("--threshold", metavar="PERCENT", help="A smaller change is called none.  [default: 5%]")
@click.option("--machine", help="Name of this computer; asv's own choice by default.")
@click.option("--aa", "same", is_flag=True, help="Measure a commit against itself: all that differs is noise.")
@click.option("--no-canary", is_flag=True, help="Do not look first how noisy the machine is.")
@click.option("--no-counters", is_flag=True, help="Do not look for what moved with a change.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, for a comment of a pull request.")
def verdict(
    base: str,
    head: str,
    budget: str,
    patterns: tuple[str, ...],
    threshold: str | None,
    machine: str | None,
    same: bool,
    no_canary: bool,
    no_counters: bool,
    form: str | None,
) -> int:
    """Say whether commit HEAD is slower, or takes more memory, than commit BASE of the tiledb-soma history.

    Both are measured side by side, round by round, until every answer is clear or the budget is spent; another call
    goes on where one ended. Exit status: 0 no regression, 1 regression, 2 bad input, 3 could not measure.
    """
    seconds, relative = duration(budget), None if threshold is None else percent(threshold)
    # Here, so that `alb --help` and a wrong option answer at once.
    from alb_core.rounds.selections import VERDICT
    from alb_core.verdicts import verdict_text
    from alb_core.verdicts.verdict import VerdictRequest, run

    request = VerdictRequest(
        base=base,
        head=head,
        budget=seconds,
        patterns=patterns or VERDICT.patterns,
        threshold=relative,
        machine=machine,
        same=same,
        run_canary=not no_canary,
        run_counters=not no_counters,
    )
    # asv tells of its work on stdout, which is for the verdict alone.
    with contextlib.redirect_stdout(sys.stderr):
        found, context = run(request)
    forms = {None: verdict_text.text, "json": verdict_text.as_json, "markdown": verdict_text.markdown}
    click.echo(forms[form](found, context))
    return 130 if context.interrupted else found.exit_status


def duration(words: str) -> float:
    """Read a time such as ``90s``, ``10m`` or ``1h`` in seconds; a bare number is seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", words)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise AlbError(f"--budget {words!r}: expected a time such as 90s, 10m or 1h")
    return seconds


def percent(words: str) -> float:
    """Read a percentage such as ``5%`` as a share; ``5`` means the same."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", words)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise AlbError(f"--threshold {words!r}: expected percent, such as 5%")
    return share
