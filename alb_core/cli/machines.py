"""``alb machines``: the named computers, and this one."""

from __future__ import annotations

from pathlib import Path

import click
from asv.config import Config
from tabulate import tabulate

from alb_core.base.paths import suite_root
from alb_core.rounds.results import machines as registry


@click.group(invoke_without_command=True)
@click.pass_context
def machines(context: click.Context) -> None:
    """Print the machines that are known or have results, beside this computer."""
    if context.invoked_subcommand is None:
        click.echo(table(results_root()))


@machines.command()
@click.argument("name")
def claim(name: str) -> None:
    """Give NAME to this computer, whichever had it."""
    registry.claim(results_root(), name)
    click.echo(f"machine {name} is this computer: {registry.describe(registry.this_computer())}")


def results_root() -> Path:
    """asv's results directory."""
    conf = Config.load(str(suite_root() / "asv.conf.json"))
    return suite_root() / str(conf.results_dir)


def table(results: Path) -> str:
    """Return the table of machines: name, hardware or description, and how this computer compares."""
    here = registry.this_computer()
    names = {*registry.NAMED_MACHINES, *(path.parent.name for path in results.glob("*/machine.json"))}
    rows = [["this computer", registry.describe(here), ""]]
    for name in sorted(names):
        owner = registry.registered(results, name)
        if owner is not None:
            alike = "" if registry.differences(owner, here) else " of this kind"
            other = registry.why_not_here(results, name, owner, here)
            rows.append([name, registry.describe(owner), f"another computer{alike}" if other else "this computer"])
        else:
            unlike = registry.unlike_known(name, here)
            verdict = f"free; this one has {', '.join(unlike)}" if unlike else "free; this one fits"
            rows.append([name, registry.NAMED_MACHINES[name].description, verdict])
    return str(tabulate(rows, headers=["machine", "hardware", "this computer"], tablefmt="plain"))
