"""What is asked of tiledbsoma: an experiment opened, joinids, rows of X and of obs or var.

All of it is in words that every release since 1.7.3 understands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma

from alb_core.base import memory
from alb_core.base.errors import AlbError, NotFoundError, ReadError, one_line

Int64 = npt.NDArray[np.int64]


#: Which vars to read: all, a slice of joinids (its stop included, as SOMA has it), or joinids.
VarSelection = slice | Int64 | None


@contextmanager
def open_experiment(
    uri: str,
    *,
    py_buffer_size: int | None = None,
    soma_buffer_size: int | None = None,
    config: Mapping[str, Any] | None = None,
) -> Iterator[Any]:
    """Open an experiment for reading, and close it at the end."""
    options: dict[str, str | float] = {key: str(value) for key, value in (config or {}).items()}
    for key, size in (("py.init_buffer_bytes", py_buffer_size), ("soma.init_buffer_bytes", soma_buffer_size)):
        if size is not None:
            if size < 1:
                raise AlbError(f"{key} is {size}, expected 1 byte or more")
            options[key] = str(size)
    context = tiledbsoma.SOMATileDBContext(tiledb_config=options)
    try:
        experiment = tiledbsoma.Experiment.open(uri, context=context)
    # Releases refuse what they cannot open with errors of many kinds.
    except Exception as error:
        if memory.is_exhaustion(error):
            raise
        raise NotFoundError(f"no SOMA experiment at {uri}{_hint(uri)}: {one_line(error)}") from error
    with experiment:
        # Releases up to 1.14 open any group as an experiment.
        if "obs" not in experiment or "ms" not in experiment:
            raise NotFoundError(f"no SOMA experiment at {uri}: it has no obs or no ms")
        yield experiment


def _hint(uri: str) -> str:
    if uri.startswith("s3://"):
        return ", or bucket, region or credentials are wrong"
    marks = [mark for mark in "#?" if mark in uri]
    return f", or TileDB cannot find it for the {marks[0]!r} in its path, so move it to another" if marks else ""


@contextmanager
def named_errors(uri: str) -> Iterator[None]:
    """Say which experiment could not be read where the libraries below say only what went wrong."""
    try:
        yield
    except AlbError:
        raise
    except Exception as error:
        if memory.is_exhaustion(error):
            raise
        raise ReadError(f"reading {uri} failed: {one_line(error)}") from error


def sparse_x(experiment: Any, measurement: str, layer: str, uri: str) -> tuple[Any, Any]:
    """Return a measurement of an open experiment, and a layer of its X."""
    member = _member(experiment.ms, measurement, "measurement", uri)
    x = _member(_member(member, "X", f"member of measurement {measurement}", uri), layer, "X layer", uri)
    if not isinstance(x, tiledbsoma.SparseNDArray):
        raise AlbError(f"X layer {layer!r} of {uri} is a {type(x).__name__}, expected a SparseNDArray")
    return member, x


def tile_width(x: Any) -> int | None:
    """Columns of a tile of X; None where the release does not say."""
    options = getattr(x, "schema_config_options", None)
    tile = None if options is None else json.loads(options().dims).get("soma_dim_1", {}).get("tile")
    return None if tile is None else int(tile)


def _member(collection: Any, name: str, what: str, uri: str) -> Any:
    try:
        return collection[name]
    except KeyError as error:
        raise NotFoundError(f"{uri} has no {what} {name!r}, expected one of {', '.join(collection)}") from error


def joinids(dataframe: Any, value_filter: str | None = None) -> Int64:
    """All ``soma_joinid`` of obs or var, or those for which a filter holds, ascending, int64, shape (rows,)."""
    table = dataframe.read(column_names=["soma_joinid"], value_filter=value_filter).concat()
    found = np.sort(table.column("soma_joinid").to_numpy())
    if tuple(dataframe.index_column_names) != ("soma_joinid",):
        again = found[1:][found[1:] == found[:-1]]
        if len(again):
            raise AlbError(f"{dataframe.uri} has soma_joinid {again[0]} more than once, expected each once")
    return found


def as_coords(ids: Int64) -> slice | Int64:
    """Joinids as SOMA coordinates: a slice where they are consecutive and ascending, which TileDB finds quicker."""
    if len(ids) and ids[-1] - ids[0] == len(ids) - 1 and bool((np.diff(ids) == 1).all()):
        return slice(int(ids[0]), int(ids[-1]))
    return ids


def read_table(x: Any, obs_joinids: Int64, var_joinids: slice | Int64 | None) -> pa.Table:
    """Read rows of X whole, as one Arrow table."""
    return tables(x, obs_joinids, var_joinids).concat()


def tables(x: Any, obs_joinids: Int64, var_joinids: slice | Int64 | None) -> Any:
    """Read rows of X as :func:`read_table` does, but a buffer at a time."""
    return x.read(coords=(as_coords(obs_joinids), _var_coords(var_joinids))).tables()


def whole_table(dataframe: Any, columns: Sequence[str]) -> pa.Table | None:
    """Columns of all rows, to be held, where the dataframe has no index by which a few rows are found; else None."""
    if not columns or "soma_joinid" in dataframe.index_column_names:
        return None
    return dataframe.read(column_names=["soma_joinid", *columns]).concat()


def read_dataframe(dataframe: Any, ids: Int64, columns: Sequence[str], held: pa.Table | None = None) -> pa.Table:
    """Rows of obs or var, in the order of their joinids as given; ``held`` is its whole table, if that was read."""
    names = ["soma_joinid", *(name for name in columns if name != "soma_joinid")]
    if names == ["soma_joinid"]:
        return pa.table({"soma_joinid": ids})
    ascending = np.sort(ids)
    held = whole_table(dataframe, names[1:]) if held is None else held
    if held is None:
        before = list(dataframe.index_column_names).index("soma_joinid")
        coords = (*[slice(None)] * before, as_coords(ascending))
        table = dataframe.read(coords=coords, column_names=names).concat()
    else:
        table = held.filter(pa.array(np.isin(held.column("soma_joinid").to_numpy(), ascending)))
    found = table.column("soma_joinid").to_numpy()
    found_order = np.argsort(found)
    if not np.array_equal(found[found_order], ascending):
        missing = np.setdiff1d(ascending, found)
        raise AlbError(f"no row has soma_joinid {missing[:5].tolist()} ({len(missing)} in all)")
    rows = found_order[np.searchsorted(ascending, ids)]
    # tiledbsoma gives each buffer's table a dictionary of its own; a taken row needs one for the whole column.
    return table.unify_dictionaries().select(names).take(rows).combine_chunks()


def _var_coords(var_joinids: VarSelection) -> slice | Int64:
    return slice(None) if var_joinids is None else var_joinids
