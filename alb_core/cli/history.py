"""``alb history``: the git history of tiledb-soma that is measured."""

from __future__ import annotations

import click

from alb_core.history import lock, releases


@click.group()
def history() -> None:
    """Make, update and describe the tiledb-soma history that is measured."""


@history.command("releases")
def make() -> None:
    """Make the history of releases at data/tiledb-soma, where there is none; list them."""
    releases.ensure()
    shown = releases.show()
    if not shown.is_release_history:
        click.echo(f"{shown.path} is a history of your own and is used as it is; the releases would be:", err=True)
    for release in lock.load():
        click.echo(f"{release.version:8} {release.commit[:10]}  {release.released[:10]}")


@history.command()
def show() -> None:
    """Say which history is in use, its main and its HEAD."""
    shown = releases.show()
    kind = "releases of the package index" if shown.is_release_history else "your own repository, used as it is"
    click.echo(f"history  {shown.path} ({kind})")
    click.echo(f"main     {shown.main or 'none'}")
    click.echo(f"HEAD     {shown.head or 'none'} ({shown.branch}, {shown.commits} commits)")


@history.command()
def update() -> None:
    """Append the releases that appeared on the package index since the lock was written."""
    fresh = releases.update()
    for release in fresh:
        click.echo(f"{release.version:8} {release.commit[:10]}  {release.released[:10]}  new")
    click.echo(f"{len(fresh)} new releases; {lock.load()[-1].version} is the newest")
