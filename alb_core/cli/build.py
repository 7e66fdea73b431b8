"""``alb build``: what asv's build and install commands call; not for typing."""

from __future__ import annotations

from pathlib import Path

import click

from alb_core.commits.builds import install as install_module


@click.group(hidden=True)
def build() -> None:
    """Build a commit for asv (called by asv.conf.json)."""


@build.command()
@click.argument("commit")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.argument("environment", type=click.Path(path_type=Path, file_okay=False, exists=True))
def wheel(commit: str, directory: Path, environment: Path) -> None:
    """Leave the wheel of COMMIT in DIRECTORY, built and tried with the Python of ENVIRONMENT."""
    click.echo(install_module.place_wheel(commit, directory, environment))


@build.command()
@click.argument("commit")
@click.argument("environment", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("wheel", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def install(commit: str, environment: Path, wheel: Path) -> None:
    """Install the WHEEL of COMMIT into ENVIRONMENT."""
    install_module.install(commit, environment, wheel)
