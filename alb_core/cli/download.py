"""``alb download``: a slice of a Census as a dataset."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from alb_core.base.errors import AlbError
from alb_core.base.paths import data_root
from alb_core.cli.options import s3_options, tiledb_config
from alb_core.datasets.manifest import size_on_disk
from alb_core.datasets.spec import CENSUS_VERSION, COLLECTION, LAYOUTS, CensusSlice


@click.command()
@click.option("-s", "--start", type=int, default=0, help="First of the collection's source datasets.  [default: 0]")
@click.option("-e", "--end", type=int, help="Last of them, plus 1.  [default: all]")
@click.option("-S", "--sorted-datasets", is_flag=True, help="Sort them by dataset_total_cell_count first.")
@click.option("-c", "--collection-id", default=COLLECTION, show_default=True, help="Collection of the Census.")
@click.option("-v", "--n-vars", type=int, default=20_000, show_default=True, help="How many vars, from the first one.")
@click.option("--organism", default="homo_sapiens", show_default=True, help="As census_data names it.")
@click.option("-V", "--census-version", help=f"Version of the Census.  [default: {CENSUS_VERSION}]")
@click.option("-u", "--census-uri", help="A Census of your own: a path or s3://, instead of a version.")
@click.option("-d", "--out-root", type=click.Path(path_type=Path), help="Where the dataset goes.  [default: data]")
@click.option("-n", "--name", help="Of the dataset.  [default: census-benchmark_START:END, sSTART:END if sorted]")
@click.option("--layout", type=click.Choice(LAYOUTS), default="census", show_default=True, help="How X lies on disk.")
@click.option("-f", "--force", is_flag=True, help="Replace the dataset that is there.")
@s3_options
def download(
    census_version: str | None,
    census_uri: str | None,
    out_root: Path | None,
    name: str | None,
    force: bool,
    region: str | None,
    tiledb: tuple[str, ...],
    **options: int | str | bool | None,
) -> None:
    """Slice source datasets out of a CELLxGENE Census, as a dataset of this machine.

    Takes up to twice the room of the dataset while it runs. Interrupted, the same command goes on where it stopped.
    """
    if census_version is not None and census_uri is not None:
        raise AlbError("--census-version and --census-uri are both given, expected one of them")
    if census_uri is not None and "://" not in census_uri:
        census_uri = os.path.abspath(census_uri)  # noqa: PTH100 - without "..", for it goes into the manifest
    version = None if census_uri is not None else census_version or CENSUS_VERSION
    asked = CensusSlice(census_version=version, census_uri=census_uri, **options)  # type: ignore[arg-type]
    config = tiledb_config(region, tiledb)
    from alb_core.datasets.census.download import download as run

    root = (out_root or data_root()).absolute()
    path = run(asked, root, report=click.echo, name=name, force=force, config=config)
    shown = shlex.quote(_shown(path))
    click.echo(f"{size_on_disk(path) / 2**20:,.0f} MiB\t{shown}")
    click.echo(f"next: alb read-chunks {shown}")
    click.echo(f"      alb data-loader -b '131072 / [1,2048]' {shown}")


def _shown(path: Path) -> str:
    """As short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
