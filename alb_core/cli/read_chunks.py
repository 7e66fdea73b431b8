"""``alb read-chunks``: the chunk readers over all rows of an experiment."""

from __future__ import annotations

import json
from typing import Any

import click

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.cli.options import one_of, say, tiledb_config, tiledb_option
from alb_core.cli.source import located
from alb_core.sweeps import provenance
from alb_core.sweeps import read_chunks as read_chunks_module

#: By the number of ``-s``.
_SHUFFLES = ("none", "chunk", "global")


@click.command("read-chunks")
@click.argument("uri")
@click.option("-s", "--shuffle", count=True, help="-s: rows shuffled inside each chunk; -ss: all rows shuffled.")
@click.option("-c", "--chunk-size", type=click.IntRange(1), default=10_000, show_default=True, help="Rows of a chunk.")
@click.option("-r", "--seed", type=click.IntRange(0), default=0, show_default=True, help="What orders are drawn from.")
@click.option("-V", "--n-vars", type=click.IntRange(1), default=20_000, show_default=True, help="First vars to read.")
@click.option("-P", "--py-buffer-size", type=click.IntRange(1), default=2**30, show_default=True, help="Bytes.")
@click.option("-S", "--soma-buffer-size", type=click.IntRange(1), default=2**30, show_default=True, help="Bytes.")
@click.option("-m", "--readers", metavar="A,B", help="Readers by name, or by prefixes.  [default: all]")
@click.option("--measurement", default="RNA", show_default=True)
@click.option("--layer", default="raw", show_default=True, help="Which X.")
@click.option("-v", "--verbose", is_flag=True, help="A line on stderr for each chunk.")
@click.option("--json", "as_json", is_flag=True, help="All figures as one JSON document.")
@click.option("--region", help="S3 region.")
@tiledb_option
def read_chunks(
    uri: str,
    shuffle: int,
    readers: str | None,
    as_json: bool,
    region: str | None,
    tiledb: tuple[str, ...],
    **given: Any,
) -> None:
    """Time tiledbsoma's readers over all rows of the experiment at URI, chunk by chunk.

    URI is a path, the name of a dataset, or s3://. Each reader runs in a process of its own, in stored order unless
    -s is given; all must read the same elements.
    """
    if shuffle >= len(_SHUFFLES):
        raise AlbError(f"-s is given {shuffle} times, expected 2 at most: -s shuffles inside chunks, -ss all rows")
    config = tiledb_config(region, tiledb)
    source = located(uri, config)
    settings = read_chunks_module.ReadSettings(
        location=source.location, shuffle=_SHUFFLES[shuffle], config=config, **given
    )
    processes.preload()  # this import takes seconds, and those of the processes to come as many
    from alb_core.cases.chunk_readers import READERS

    names = list(READERS)
    if readers is not None:
        names = list(dict.fromkeys(one_of("reader", name.strip(), names) for name in readers.split(",")))
    expected = source.expected(settings.measurement, settings.layer, settings.n_vars)
    passes = []
    for item in read_chunks_module.run(settings, names, expected=expected, say=say):
        passes.append(item)
        if not as_json:
            click.echo(
                f"read_{item.reader} elapsed: {item.elapsed:.2f}s  {item.cells_per_second:,.0f} cells/s  "
                f"{item.nnz:,} non-zeros  peak memory {item.max_mem / 2**30:.2f} GiB"
            )
    if as_json:
        shared = {"uri": uri, **provenance.of_computer(), **provenance.of_software()}
        click.echo(json.dumps(read_chunks_module.as_json(settings, passes, shared), indent=2))
