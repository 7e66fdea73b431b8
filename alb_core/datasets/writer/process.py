"""Write a SOMA experiment. Runs as a script under the one release that writes datasets (``writing_release``).

Nothing of alb_core is imported here: the writer's environment has it not. Standard input brings Arrow IPC streams: one
for each layer of X (soma_dim_0, soma_dim_1, soma_data; row-major), obs and var, and then the word ``end``. X is
written as it comes, in TileDB's global order: each fragment is sorted, whole and final at once, as if consolidated,
at half of the work. When the input ends before its time, because whoever fed it has died, this process ends too, with
status 1. At the end it prints the versions of what wrote, as JSON.
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

#: Of the layout ``rows``. As wide as X they say nothing of the order; a row of tiles is what is gathered at once.
ROWS_OF_A_TILE = 64

#: The last word of the input.
END = b"end\n"
_BYTESHUFFLED = ["ByteShuffleFilter", {"_type": "ZstdFilter", "level": 9}]
_ZSTD_19 = {"_type": "ZstdFilter", "level": 19}


def x_options(layout: str, n_vars: int, capacity: int) -> dict[str, Any]:
    """Options with which X is created.

    Those of the Census's builder; or none (tiledbsoma's defaults); or ``rows``, which are the Census's but for tiles
    as wide as X, so that cells lie row by row, and data tiles of ``capacity`` cells.
    """
    if layout == "soma":
        return {}
    height, width, cells = (ROWS_OF_A_TILE, n_vars, capacity) if layout == "rows" else (2_048, 2_048, 65_536)
    options = {
        "capacity": cells,
        "dims": {
            "soma_dim_0": {"tile": height, "filters": [{"_type": "ZstdFilter", "level": 9}]},
            "soma_dim_1": {"tile": width, "filters": _BYTESHUFFLED},
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


def portions(batches: Iterator[pa.RecordBatch], cuts: list[int]) -> Iterator[tuple[Columns, int | None]]:
    """Cut row-major batches at the rows ``cuts``."""
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
            yield (rows[:split], genes[:split], values[:split]), cut
            rows, genes, values = rows[split:], genes[split:], values[split:]
            cut = next(remaining)
        yield (rows, genes, values), None
    for reached in (cut, *remaining):
        yield NOTHING, reached


class TileRow:
    """The cells of one row of tiles, gathered tile by tile: eight bytes each, where a coordinate takes sixteen."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._base = 0
        self._tiles: dict[int, list[Columns]] = {}

    def add(self, rows: Column, genes: Column, values: Column) -> None:
        """Add cells of one and the same row of tiles, row-major; each of shape (nnz,)."""
        self._base = int(rows[0]) // self.height * self.height
        tiles = genes // self.width
        # A stable sort (a radix sort, of 16 bits) keeps the order of arrival within each tile.
        order = np.argsort(tiles.astype(np.uint16) if tiles.max() < 2**16 else tiles, kind="stable")
        small = np.min_scalar_type(max(self.height, self.width) - 1)
        rows = (rows - self._base).astype(small)[order]
        genes = (genes - tiles * self.width).astype(small)[order]
        values = values[order]
        found, starts = np.unique(tiles[order], return_index=True)
        for tile, start, stop in zip(found, starts, [*starts[1:], len(rows)], strict=True):
            of_tile = (rows[start:stop], genes[start:stop], values[start:stop])
            self._tiles.setdefault(int(tile), []).append(of_tile)

    def taken(self) -> Iterator[Columns]:
        """Give the columns of each tile, in order, and forget them."""
        for tile in sorted(self._tiles):
            rows, genes, values = (np.concatenate(column) for column in zip(*self._tiles.pop(tile), strict=True))
            yield rows.astype(np.int64) + self._base, genes.astype(np.int64) + tile * self.width, values


def write_x(uri: str, batches: Iterator[pa.RecordBatch], n_obs: int, fragments: int) -> None:
    """Write X in global order, in fragments of equal numbers of rows."""
    domain = tiledb.ArraySchema.load(uri).domain
    row = TileRow(int(domain.dim(0).tile), int(domain.dim(1).tile))
    limits = {n_obs * (index + 1) // fragments for index in range(fragments)}
    context = tiledb.Ctx()
    array = tiledb.cc.Array(context, uri, tiledb.cc.QueryType.WRITE)
    query = None
    for columns, cut in portions(batches, sorted(limits.union(range(row.height, n_obs, row.height)))):
        if len(columns[0]):
            row.add(*columns)
        if cut is None:
            continue
        for buffers in row.taken():
            if query is None:
                query = tiledb.cc.Query(context, array, tiledb.cc.QueryType.WRITE)
                query.layout = tiledb.cc.LayoutType.GLOBAL_ORDER
            submit(query, buffers)
        if cut in limits and query is not None:
            query.finalize()
            query = None
    method(array, "close")()


def method(thing: Any, name: str) -> Any:
    """Return a method of tiledb's core, which the versions from 0.33 on have under a name with an underscore."""
    return getattr(thing, f"_{name}", None) or getattr(thing, name)


def submit(query: Any, buffers: Columns) -> None:
    """Write the cells of buffers."""
    # The same versions ask for the number of values.
    counted = hasattr(query, "_submit")
    for name, buffer in zip(X_COLUMNS, buffers, strict=True):
        query.set_data_buffer(name, buffer, *([len(buffer)] if counted else []))
    method(query, "submit")()


def write_table(collection: Any, name: str, rows: int, reader: pa.RecordBatchReader, layout: str) -> None:
    """Write obs or var into its collection, batch by batch."""
    options = table_options(layout, reader.schema)
    # From 1.15 on a frame has room for what is said here, and for no row otherwise.
    resizable = hasattr(tiledbsoma.DataFrame, "tiledbsoma_resize_soma_joinid_shape")
    domain = {"domain": [(0, rows - 1)]} if resizable else {}
    with collection.add_new_dataframe(
        name, schema=reader.schema, index_column_names=["soma_joinid"], platform_config=options, **domain
    ) as frame:
        uri = frame.uri
    for batch in reader:
        # Opened anew each time: a frame does not see the words that it has added to a dictionary itself.
        with tiledbsoma.DataFrame.open(uri, "w") as frame:
            frame.write(pa.Table.from_batches([batch]), platform_config=options)


def write_experiment(
    source: BinaryIO, uri: str, shape: tuple[int, int], layout: str, capacity: int, fragments: int, names: list[str]
) -> None:
    """Write the experiment that ``source`` brings; ``names`` are those of the layers of X."""
    with tiledbsoma.Experiment.create(uri) as experiment:
        rna = experiment.add_new_collection("ms").add_new_collection("RNA", tiledbsoma.Measurement)
        layers = rna.add_new_collection("X")
        options = x_options(layout, shape[1], capacity)
        for name in names:
            stream = pa.ipc.open_stream(source)
            kind = stream.schema.field("soma_data").type
            layer = layers.add_new_sparse_ndarray(name, type=kind, shape=shape, platform_config=options)
            write_x(layer.uri, iter(stream), shape[0], fragments)
            # What SparseNDArray.write would have noted, for readers that ask for the shape in use.
            for axis, length in enumerate(shape):
                layer.metadata[f"soma_dim_{axis}_domain_lower"] = 0
                layer.metadata[f"soma_dim_{axis}_domain_upper"] = length - 1
        write_table(experiment, "obs", shape[0], pa.ipc.open_stream(source), layout)
        write_table(rna, "var", shape[1], pa.ipc.open_stream(source), layout)
        if source.read() != END:
            raise EOFError("the input ended before its time")


def main() -> None:
    """Read the arguments, write, and print the versions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("--cells", type=int, required=True)
    parser.add_argument("--vars", type=int, required=True)
    parser.add_argument("--layout", choices=("census", "soma", "rows"), required=True)
    parser.add_argument("--capacity", type=int, default=0)
    parser.add_argument("--fragments", type=int, required=True)
    parser.add_argument("--layer", action="append", required=True)
    given = parser.parse_args()
    shape = (given.cells, given.vars)
    write_experiment(sys.stdin.buffer, given.uri, shape, given.layout, given.capacity, given.fragments, given.layer)
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
