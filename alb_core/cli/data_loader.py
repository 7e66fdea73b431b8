"""``alb data-loader``: epochs of the loader, each a record."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.cli.options import one_of, pairs, s3_options, say, tiledb_config
from alb_core.cli.source import PUBLIC, ExperimentSource, located, sliced
from alb_core.datasets.spec import COLLECTION
from alb_core.loader import block_spec
from alb_core.sweeps import data_loader as data_loader_module
from alb_core.sweeps import provenance, records

#: All of them unless some are chosen; each but the first by as many ``-s``.
_METHODS_OF_FIELD = ("np.array", "scipy.coo", "scipy.csr")

#: Columns of a record that ``-M`` may fill, besides new ones; all others are measured.
_FREE = ("host", "instance_id", "instance_type", "user", "machine", "hardware", "dataset")

#: Columns that a sweep must share with the one that it goes on with, besides its settings.
_SAME = ("hostname", "sha", "tiledbsoma_version", "collection_id", "start_idx", "end_idx")

_COLUMNS: Mapping[str, int] = {
    "block spec": 14,
    "method": 10,
    "epoch": 5,
    "cells/s": 9,
    "first batch": 11,
    "reading": 9,
    "converting": 10,
    "waiting": 9,
    "peak memory": 11,
}


#: A block spec that a shell splits into words.
_SPLIT = re.compile(r"[\d_]+ ?/ ?(\[ ?[\d_]+ ?, ?[\d_]+ ?\]|[\d_]+)")


class _Quoting(click.Command):
    """Tells who types a block spec with spaces that the shell has split it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, unless some of them are what is left of a spec."""
        for at, n in itertools.product(range(len(args)), (2, 3, 4)):
            spec = re.sub("^(-b|--block-spec=)", "", " ".join(args[at : at + n]))
            if len(args) >= at + n and _SPLIT.fullmatch(spec):
                raise AlbError(f"the shell has split a block spec into words: quote it, -b '{spec}' or -b \"$b\"")
        return super().parse_args(ctx, args)


@click.command("data-loader", cls=_Quoting)
@click.argument("uri")
@click.option(
    "-b",
    "--block-spec",
    "specs",
    multiple=True,
    default=("512x64",),
    show_default=True,
    metavar="SPEC",
    help="Cut of a block, repeatable: 2048x64, '131072 / 2048', '131072 / [1,2048]', 64.",
)
@click.option("-s", "--scipy", count=True, help="Method scipy.coo alone; -ss: scipy.csr alone.")
@click.option(
    "-m", "--methods", metavar="A,B", help="Methods by name, or by prefixes.  [default: np.array,scipy.coo,scipy.csr]"
)
@click.option("--shuffle", type=click.Choice(["none", "block", "global"]), default="block", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What orders are drawn from.")
@click.option("-e", "--epochs", type=click.IntRange(1), default=1, show_default=True)
@click.option("-B", "--batch-size", type=click.IntRange(1), default=1024, show_default=True, help="Rows of a batch.")
@click.option(
    "-n", "--max-batches", type=click.IntRange(0), default=0, help="Stop after N timed batches.  [default: all]"
)
@click.option(
    "-F",
    "--count-first",
    is_flag=True,
    help="Count the first batch, which pays for its block, in the rate. It is always reported.",
)
@click.option(
    "-g",
    "--gc-freq",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Collect garbage every N batches, timed; 0 for never.",
)
@click.option("-C", "--no-cuda-conversion", "no_cuda", is_flag=True, help="Leave batches in the memory of the CPU.")
@click.option("-P", "--py-buffer-size", type=click.IntRange(1), default=2**30, show_default=True, help="Bytes.")
@click.option("-S", "--soma-buffer-size", type=click.IntRange(1), default=2**30, show_default=True, help="Bytes.")
@click.option("--measurement", default="RNA", show_default=True)
@click.option("--layer", default="raw", show_default=True, help="Which X.")
@click.option(
    *("--slice", "part"),
    metavar="START:END",
    help="URI is a Census: read these source datasets of a collection, as 2:7, and the first 20,000 vars, in place.",
)
@click.option("--collection-id", "collection", default=COLLECTION, show_default=True, help="Of --slice.")
@s3_options
@click.option("-M", "--metadata", multiple=True, metavar="KEY=VALUE", help="A column of every record, repeatable.")
@click.option(
    "-d",
    "--records",
    "path",
    type=click.Path(path_type=Path),
    help="Where records go: a parquet file, or a directory.  [default: data/records/epochs.parquet]",
)
@click.option("-D", "--no-records", is_flag=True, help="Do not record.")
@click.option("--resume", is_flag=True, help="Go on with the latest sweep of these settings where it stopped.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def data_loader(
    uri: str,
    specs: tuple[str, ...],
    scipy: int,
    methods: str | None,
    epochs: int,
    no_cuda: bool,
    gc_freq: int,
    part: str | None,
    collection: str,
    region: str | None,
    tiledb: tuple[str, ...],
    metadata: tuple[str, ...],
    path: Path | None,
    no_records: bool,
    resume: bool,
    **given: Any,
) -> None:
    """Run epochs of the loader over the experiment at URI, a record each.

    URI is a path, the name of a dataset, or s3://. Each block spec is measured with each method, in a process of its
    own. cells/s leaves out the first batch unless -F is given.
    """
    if no_records and (resume or path):
        raise AlbError(f"-D records nothing: leave out {'--resume' if resume else '-d'}")
    configurations = [
        data_loader_module.Configuration(spec, method)
        for spec in dict.fromkeys(spec for text in specs for spec in block_spec.parse(text))
        for method in _methods(scipy, methods)
    ]
    extra = _metadata(metadata)
    config = tiledb_config(region, tiledb)
    if part is not None:
        config = {**PUBLIC, **config}
    source = located(uri, config) if part is None else sliced(uri, part, collection, config)
    settings = data_loader_module.SweepSettings(
        uri=uri,
        location=source.location,
        rows=source.rows,
        vars=source.columns_read,
        cuda=not no_cuda,
        collect_every=gc_freq,
        config=config,
        **given,
    )
    path = path or records.default_path()
    path = path / records.default_path().name if path.is_dir() else path
    shared = {**_shared(source), **extra, "alb_start_dt": datetime.now()}
    done: set[data_loader_module.Key] = set()
    if not no_records:
        records.require_appendable(path, {**settings.columns(), **shared})
    if resume and path.exists():
        done = _resumed(path, settings, shared, configurations, epochs)
    expected = source.expected(settings.measurement, settings.layer)
    rows = data_loader_module.run(
        settings, configurations, epochs, shared=shared, expected=expected, done=done, say=say
    )
    for number, record in enumerate(rows):
        if not no_records:
            records.append(path, [record])
        if number == 0:
            click.echo(_line(_COLUMNS))
        click.echo(_line(_cells(record)))
    if not no_records:
        click.echo(f"records: {path} (draw them: alb plot {path})", err=True)


def _methods(flags: int, names: str | None) -> list[str]:
    """Names of methods from ``-s`` and ``-m``."""
    if names is None:
        if flags >= len(_METHODS_OF_FIELD):
            raise AlbError(f"-s is given {flags} times, expected 2 at most: -s is scipy.coo, -ss scipy.csr")
        return [_METHODS_OF_FIELD[flags]] if flags else list(_METHODS_OF_FIELD)
    if flags:
        raise AlbError(f"-s and -m {names} both choose the method: give one of them")
    processes.preload()  # this import takes seconds, and those of the processes to come as many
    from alb_core.loader.pipelines import METHOD_NAMES

    return list(dict.fromkeys(one_of("method", name.strip(), METHOD_NAMES) for name in names.split(",")))


def _metadata(words: Sequence[str]) -> dict[str, str]:
    """Columns from ``-M``."""
    found = pairs("-M", words)
    taken = [name for name in found if name in records.COLUMNS and name not in _FREE]
    if taken:
        raise AlbError(
            f"-M {taken[0]}={found[taken[0]]}: that column is measured; free are {', '.join(_FREE)} and new names"
        )
    return found


def _shared(source: ExperimentSource) -> dict[str, Any]:
    """Columns that are the same for all records of a sweep: what, where and with what."""
    from alb_core.cli.machines import results_root
    from alb_core.rounds.results import machines

    computer = {
        "machine": machines.own_name(results_root()),
        "hardware": machines.describe(machines.this_computer()),
    }
    return {**source.columns(), **provenance.of_computer(), **provenance.of_software(), **computer}


def _resumed(
    path: Path,
    settings: data_loader_module.SweepSettings,
    shared: dict[str, Any],
    configurations: Sequence[data_loader_module.Configuration],
    epochs: int,
) -> set[data_loader_module.Key]:
    """Return what the sweep to go on with has measured; its start becomes that of the records to come."""
    same = {**settings.columns(), **{name: shared[name] for name in _SAME}}
    began, done = data_loader_module.interrupted(records.load(path), same, configurations, epochs)
    if began is None:
        say(f"nothing to go on with: {path} has no sweep of {settings.uri} with these settings and versions")
        return done
    shared["alb_start_dt"] = began
    left = len(configurations) * epochs - len(done)
    say(f"going on with the sweep of {began:%Y-%m-%d %H:%M:%S}: {len(done)} epochs are recorded, {left} are left")
    return done


def _cells(record: Mapping[str, Any]) -> list[str]:
    """Return a record as texts, in the order of the columns."""
    spec = f"{record['chunks_per_block']}x{record['chunk_size']}"
    start = [spec, record["chunk_method"], str(record["epoch"])]
    if record["oom"]:
        return [*start, "out of memory"]
    elapsed, first = record["elapsed"], record["first_batch"]
    rate = f"{record['n_rows'] / elapsed:,.0f}" if elapsed else "n/a"
    times = [f"{value:.2f} s" for value in (first, record["reading"], record["converting"], record["waiting"])]
    return [*start, rate, *times, f"{record['max_mem'] / 2**30:.2f} GiB"]


def _line(cells: Sequence[str] | Mapping[str, int]) -> str:
    """Return a line of the table, each text right under the head of its column."""
    return "  ".join(text.rjust(width) for text, width in zip(cells, _COLUMNS.values(), strict=False))
