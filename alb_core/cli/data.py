"""``alb data``: make, retile, list and verify datasets."""

from __future__ import annotations

import click

from alb_core.cli.options import s3_options, tiledb_config
from alb_core.datasets.spec import KNOWN, LAYOUTS, PROFILES, RowLayout, resolved


@click.group()
def data() -> None:
    """Make, retile, list and verify datasets."""


@data.command(name="make", epilog=f"Known names: {', '.join(KNOWN)}. Another NAME takes at least --cells.")
@click.argument("name")
@click.option("--cells", type=int, help="Number of cells.")
@click.option("--vars", type=int, help="Number of genes.  [default: 20000]")
@click.option("--profile", type=click.Choice(PROFILES), help="Calibration of the counts.  [default: slice-2:7]")
@click.option("--layout", type=click.Choice(LAYOUTS), help="How X lies on disk.  [default: census]")
@click.option("--fragments", type=int, help="Fragments of X.  [default: 1]")
@click.option("--seed", type=int, help="Of everything that is drawn.  [default: 0]")
@click.option("--replace", is_flag=True, help="Make it again if it is there, whatever it holds.")
def make_command(name: str, replace: bool, **options: int | str | None) -> None:
    """Make the synthetic dataset NAME, with the oldest release that is measured."""
    spec = resolved(name, **options)
    from alb_core.datasets.synthetic.make import make

    make(name, spec, replace=replace, report=click.echo)


@data.command(name="retile")
@click.argument("source", metavar="SRC")
@click.argument("name", metavar="DST")
@click.option("--capacity", type=int, default=RowLayout.capacity, show_default=True, help="Non-zeros read together.")
@click.option("--fragments", type=int, default=RowLayout.fragments, show_default=True, help="Fragments of X.")
@click.option("--replace", is_flag=True, help="Make it again if it is there.")
@click.option("--measurement", default="RNA", show_default=True, help="Which becomes RNA of the copy.")
@click.option("--layer", default="raw", show_default=True, help="Which X becomes X/raw of the copy.")
@s3_options
def retile_command(
    source: str,
    name: str,
    capacity: int,
    fragments: int,
    replace: bool,
    region: str | None,
    tiledb: tuple[str, ...],
    measurement: str,
    layer: str,
) -> None:
    """Copy SRC, a dataset or any SOMA experiment, into the dataset DST, laid out for shuffled reads of rows.

    SRC is the name of a dataset, a path, or s3://. Obs, var, and every layer of X of one measurement are kept.
    """
    layout, config = RowLayout(capacity, fragments), tiledb_config(region, tiledb)
    from alb_core.datasets.retile.retile import retile

    retile(
        source, name, layout, report=click.echo, replace=replace, config=config, measurement=measurement, layer=layer
    )


@data.command(name="list")
def list_command() -> None:
    """List the known datasets and those that are there."""
    from tabulate import tabulate

    from alb_core.datasets.find import list_datasets

    rows = [
        (
            row.name,
            _number(row.cells),
            _number(row.vars),
            _number(row.nnz),
            "" if row.size is None else f"{row.size / 1e6:,.1f} MB",
            row.layout,
            row.state,
        )
        for row in list_datasets()
    ]
    headers = ("name", "cells", "vars", "non-zeros", "size", "layout", "state")
    alignment = ("left", "right", "right", "right", "right", "left", "left")
    click.echo(tabulate(rows, headers, tablefmt="plain", colalign=alignment, disable_numparse=True))


@data.command(name="verify")
@click.argument("name")
def verify_command(name: str) -> None:
    """Read the whole dataset NAME (or the one at a path) and prove it against its manifest."""
    from alb_core.datasets.verify import verify

    manifest = verify(name)
    click.echo(
        f"{manifest.name} is what its manifest says: {manifest.n_obs:,} cells x {manifest.n_vars:,} vars, "
        f"{manifest.nnz:,} non-zeros that add up to {manifest.x_sum:,}, X checksum {manifest.x_checksum}, "
        f"obs and var, and {manifest.files:,} files"
    )


def _number(value: int | None) -> str:
    """Return a number with thousands, or nothing."""
    return "" if value is None else f"{value:,}"
