"""Write a SOMA experiment. Runs as a script under the floor release, which alone writes datasets.

Nothing of alb_core is imported here: the floor's environment has it not. Standard input brings three Arrow IPC
streams, X (soma_dim_0, soma_dim_1, soma_data; row-major), obs and var, and then the word ``end``. X is written as it
comes, in TileDB's global order: each fragment is sorted, whole and final at once, as if consolidated, at half of the
work. When the input ends before its time, because whoever fed it has died, this process ends too, with status 1. At
the end it prints the versions of what wrote, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledb
import tiledb.cc
import tiledbsoma

Column = npt.NDArray[Any]
Columns = tuple[Column, Column, Column]

X_COLUMNS = ("soma_dim_0", "soma_dim_1", "soma_data")
NOTHING: Columns = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

#: The last word of the input.
END = b"end\n"
_BYTESHUFFLED = ["ByteShuffleFilter", {"_type": "ZstdFilter", "level": 9}]
_ZSTD_19 = {"_type": "ZstdFilter", "level": 19}


def x_options(layout: str) -> dict[str, Any]:
    """Options with which X is created: those of the Census's builder, or none (tiledbsoma's defaults)."""
    if layout == "soma":
        return {}
    options = {
        "capacity": 65_536,
        "dims": {
            "soma_dim_0": {"tile": 2_048, "filters": [{"_type": "ZstdFilter", "level": 9}]},
            "soma_dim_1": {"tile": 2_048, "filters": _BYTESHUFFLED},
        },
        "attrs": {"soma_data": {"filters": _BYTESHUFFLED}},
        "cell_order": "row-major",
        "tile_order": "row-major",
        "allows_duplicates": True,
    }
    return {"tiledb": {"create": options}}


def table_options(layout: str, schema: pa.Schema) -> dict[str, Any]:
    """Options with which obs and var are created, likewise."""
    if layout == "soma":
        return {}
    numbers = {field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)}
    options = {
        "capacity": 65_536,
        "dims": {"soma_joinid": {"filters": ["DoubleDeltaFilter", _ZSTD_19]}},
        "attrs": {
            name: {"filters": _BYTESHUFFLED if name in numbers else [_ZSTD_19]}
            for name in schema.names
            if name != "soma_joinid"
        },
        "offsets_filters": ["DoubleDeltaFilter", _ZSTD_19],
        "allows_duplicates": True,
    }
    return {"tiledb": {"create": options}}


def pieces(batches: Iterator[pa.RecordBatch], cuts: list[int]) -> Iterator[tuple[int, Columns]]:
    """Gather row-major batches into the pieces between ``cuts``.

    Parameters
    ----------
    batches
        Of soma_dim_0, soma_dim_1 and soma_data.
    cuts
        Ascending row numbers; the last one is the number of rows.

    Yields
    ------
    tuple
        For each cut, the cut and the three columns of the rows up to it, each of shape (nnz,), perhaps empty.

    Raises
    ------
    ValueError
        If the batches are not row-major, repeat a coordinate, or have rows beyond the last cut.
    """
    pending = [NOTHING]
    remaining = iter(cuts)
    cut = next(remaining)
    last = (-1, -1)
    for batch in batches:
        if not batch.num_rows:
            continue
        rows, genes, values = (batch.column(name).to_numpy() for name in X_COLUMNS)
        steps = np.diff(rows)
        ascending = (steps > 0) | ((steps == 0) & (np.diff(genes) > 0))
        if not ascending.all() or (rows[0], genes[0]) <= last or rows[-1] >= cuts[-1]:
            raise ValueError("X is not in row-major order, repeats a coordinate, or has more rows than were said")
        last = (rows[-1], genes[-1])
        while rows[-1] >= cut:
            split = int(np.searchsorted(rows, cut))
            yield cut, joined([*pending, (rows[:split], genes[:split], values[:split])])
            pending = [NOTHING]
            rows, genes, values = rows[split:], genes[split:], values[split:]
            cut = next(remaining)
        pending.append((rows, genes, values))
    yield cut, joined(pending)
    for cut in remaining:
        yield cut, NOTHING


def joined(parts: list[Columns]) -> Columns:
    """Join columns end to end."""
    rows, genes, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, genes, values


def write_x(uri: str, batches: Iterator[pa.RecordBatch], n_obs: int, fragments: int) -> None:
    """Write X in global order, in fragments of equal numbers of rows."""
    domain = tiledb.ArraySchema.load(uri).domain
    height, width = int(domain.dim(0).tile), int(domain.dim(1).tile)
    limits = {n_obs * (index + 1) // fragments for index in range(fragments)}
    context = tiledb.Ctx()
    array = tiledb.cc.Array(context, uri, tiledb.cc.QueryType.WRITE)
    query = None
    for cut, (rows, genes, values) in pieces(batches, sorted(limits.union(range(height, n_obs, height)))):
        if len(rows):
            if query is None:
                query = tiledb.cc.Query(context, array, tiledb.cc.QueryType.WRITE)
                query.layout = tiledb.cc.LayoutType.GLOBAL_ORDER
            # Row-major within each tile: a stable sort by tile (a radix sort, of 16 bits) keeps the order of arrival.
            tiles = genes // width
            order = np.argsort(tiles.astype(np.uint16) if tiles.max() < 2**16 else tiles, kind="stable")
            buffers = [column[order] for column in (rows, genes, values)]
            for name, buffer in zip(X_COLUMNS, buffers, strict=True):
                query.set_data_buffer(name, buffer)
            query.submit()
        if cut in limits and query is not None:
            query.finalize()
            query = None
    array.close()


def write_table(collection: Any, name: str, table: pa.Table, layout: str) -> None:
    """Write obs or var into its collection."""
    options = table_options(layout, table.schema)
    with collection.add_new_dataframe(
        name, schema=table.schema, index_column_names=["soma_joinid"], platform_config=options
    ) as frame:
        frame.write(table, platform_config=options)


def write_experiment(source: BinaryIO, uri: str, shape: tuple[int, int], layout: str, fragments: int) -> None:
    """Write the experiment that ``source`` brings."""
    with tiledbsoma.Experiment.create(uri) as experiment:
        rna = experiment.add_new_collection("ms").add_new_collection("RNA", tiledbsoma.Measurement)
        layers = rna.add_new_collection("X")
        raw = layers.add_new_sparse_ndarray("raw", type=pa.float32(), shape=shape, platform_config=x_options(layout))
        write_x(raw.uri, iter(pa.ipc.open_stream(source)), shape[0], fragments)
        # What SparseNDArray.write would have noted, for readers that ask for the shape in use.
        for axis, length in enumerate(shape):
            raw.metadata[f"soma_dim_{axis}_domain_lower"] = 0
            raw.metadata[f"soma_dim_{axis}_domain_upper"] = length - 1
        write_table(experiment, "obs", pa.ipc.open_stream(source).read_all(), layout)
        write_table(rna, "var", pa.ipc.open_stream(source).read_all(), layout)
        if source.read() != END:
            raise EOFError("the input ended before its time")


def main() -> None:
    """Read the arguments, write, and print the versions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("--cells", type=int, required=True)
    parser.add_argument("--vars", type=int, required=True)
    parser.add_argument("--layout", choices=("census", "soma"), required=True)
    parser.add_argument("--fragments", type=int, required=True)
    arguments = parser.parse_args()
    shape = (arguments.cells, arguments.vars)
    write_experiment(sys.stdin.buffer, arguments.uri, shape, arguments.layout, arguments.fragments)
    versions = {
        "python": sys.version.split()[0],
        "tiledbsoma": tiledbsoma.__version__,
        "tiledb": tiledb.__version__,
        "libtiledb": ".".join(map(str, tiledb.libtiledb.version())),
        "pyarrow": pa.__version__,
        "numpy": np.__version__,
    }
    print(json.dumps(versions))


if __name__ == "__main__":
    try:
        main()
    # Whatever went wrong, the parent tells it in one line.
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
