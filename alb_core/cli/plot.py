"""``alb plot``: speed against memory, drawn from the table of records."""

from __future__ import annotations

from pathlib import Path

import click
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, write_atomically
from alb_core.sweeps import records


@click.command("plot")
@click.argument("path", metavar="[RECORDS]", required=False, type=click.Path(path_type=Path))
@click.option("-D", "--dataset", metavar="SLICE|NAME", help="Slice 2:7, :7, sorted s2:7; or the dataset's name.")
@click.option("-H", "--host", metavar="REGEX", help="Found in host or hostname.")
@click.option("-i", "--instance-type", metavar="TYPE", help="EC2 instance type: g4dn.8xlarge.")
@click.option("-n", "--max-batches", type=click.IntRange(0), metavar="N", help="Epochs stopped after N; 0: whole ones.")
@click.option("--since", metavar="TIME", help="Started then or later: 2024-06-07, '2024-06-07 11:00'.")
@click.option("--s3/--no-s3", default=None, help="Read from S3, or not.")
@click.option("--machine", metavar="NAME", help="Name of the machine.")
@click.option("--log", "log_memory", is_flag=True, help="Logarithmic axis of memory.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the files go.  [default: where the records are]",
)
def plot(
    path: Path | None,
    dataset: str | None,
    host: str | None,
    instance_type: str | None,
    max_batches: int | None,
    since: str | None,
    s3: bool | None,
    machine: str | None,
    log_memory: bool,
    out: Path | None,
) -> None:
    """Draw samples per second against peak memory, one mark for each record of RECORDS.

    RECORDS is a parquet file with the columns that `alb data-loader` writes, those of other tools included, and
    data/records/epochs.parquet by default. Shape is the method, size the block size, colour the chunks per block,
    opacity the epoch. A record is drawn if it passes all filters.

    Writes speed_vs_mem.png, .svg, .html (interactive, needs no network) and .json (Vega-Lite), and prints their paths.
    """
    from alb_core.figures.select import Filters, parse_dataset, parse_host, parse_since, select

    filters = Filters(
        dataset=None if dataset is None else parse_dataset(dataset),
        host=None if host is None else parse_host(host),
        instance_type=instance_type,
        max_batches=max_batches,
        since=None if since is None else parse_since(since),
        s3=s3,
        machine=machine,
    )
    path = path or records.default_path()
    path = path / records.default_path().name if path.is_dir() else path
    out = out or path.parent
    if out.exists() and not out.is_dir():
        raise AlbError(f"-o {out} is a file, expected a directory")
    table = select(records.load(path), filters)
    from alb_core.figures.render import drawings

    todo = drawings(table, log_memory=log_memory)
    ensure_directory(out)
    drawn = {name: draw() for name, draw in tqdm(todo.items(), desc="drawing", unit="file", disable=None, leave=False)}
    for name, content in drawn.items():
        write_atomically(out / name, content)
        click.echo(out / name)
