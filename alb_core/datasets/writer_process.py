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


def tile_rows(batches: Iterator[pa.RecordBatch], cuts: list[int]) -> Iterator[tuple[int, Column, Column, Column]]:
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
        Where the piece ends, and its three columns, each of shape (nnz,). Pieces without non-zeros are left out.
    """
    pending: list[tuple[Column, Column, Column]] = []
    ends = iter(cuts)
    end = next(ends)
    last = (-1, -1)
    for batch in batches:
        if not batch.num_rows:
            continue
        columns = tuple(batch.column(name).to_numpy() for name in ("soma_dim_0", "soma_dim_1", "soma_data"))
        rows, genes = columns[0], columns[1]
        steps = np.diff(rows)
        ascending = (steps > 0) | ((steps == 0) & (np.diff(genes) > 0))
        if not ascending.all() or (rows[0], genes[0]) <= last:
            raise ValueError("X is not in row-major order without repeats")
        last = (rows[-1], genes[-1])
        while rows[-1] >= end:
            split = int(np.searchsorted(rows, end))
            pending.append(tuple(column[:split] for column in columns))
            if sum(len(piece[0]) for piece in pending):
                yield end, *(np.concatenate(parts) for parts in zip(*pending))  # noqa: B905
            pending = []
            columns = tuple(column[split:] for column in columns)
            rows = columns[0]
            end = next(ends)
        pending.append(columns)
    if pending:
        yield end, *(np.concatenate(parts) for parts in zip(*pending))  # noqa: B905


def write_x(uri: str, batches: Iterator[pa.RecordBatch], n_obs: int, fragments: int) -> None:
    """Write X in global order, in fragments of equal numbers of rows."""
    domain = tiledb.ArraySchema.load(uri).domain
    height, width = int(domain.dim(0).tile), int(domain.dim(1).tile)
    limits = [n_obs * (index + 1) // fragments for index in range(fragments)]
    context = tiledb.Ctx()
    array = tiledb.cc.Array(context, uri, tiledb.cc.QueryType.WRITE)
    query = None
    for end, rows, genes, values in tile_rows(batches, sorted({*limits, *range(height, n_obs, height)})):
        if query is None:
            query = tiledb.cc.Query(context, array, tiledb.cc.QueryType.WRITE)
            query.layout = tiledb.cc.LayoutType.GLOBAL_ORDER
        # Row-major within each tile; a stable sort by tile keeps the order that the rows came in.
        tiles = genes // width
        order = np.argsort(tiles.astype(np.uint16) if tiles[tiles.argmax()] < 2**16 else tiles, kind="stable")
        buffers = {"soma_dim_0": rows[order], "soma_dim_1": genes[order], "soma_data": values[order]}
        for name, buffer in buffers.items():
            query.set_data_buffer(name, buffer)
        query.submit()
        if end in limits:
            query.finalize()
            query = None
    if query is not None:
        query.finalize()
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
