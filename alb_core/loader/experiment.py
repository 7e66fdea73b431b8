"""An experiment opened for loading: the query that says which rows and columns, its result, and the reading of them."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.base.errors import AlbError, NotFoundError
from alb_core.loader import memory_budget, soma
from alb_core.loader.prefetch import prefetched, threads_running, wait_for_threads
from alb_core.loader.training import codes, drawing
from alb_core.loader.training.drawing import Sample

Int64 = npt.NDArray[np.int64]

#: Columns of X between the first and the last of var, up to which those that var has not are read, and left out.
_MAX_SPAN = 2**24

#: Rows that are read to see how many bytes a row takes: so many from each of so many places.
_PROBED_ROWS = 64
_PROBED_PLACES = 8


@dataclass(frozen=True)
class Selection:
    """Which rows of obs or var to load: joinids, or a filter, or both."""

    #: ``obs`` or ``var``.
    dataframe: str
    #: int64, each once, in the order asked for; None for all, ascending.
    joinids: Int64 | None = None
    #: A TileDB value filter, such as ``tissue == 'lung' and is_primary_data == True``. With joinids as well, those of
    #: them that it holds for.
    query: str | None = None

    def of(self, dataframe: Any, uri: str) -> Int64:
        """Joinids that are selected in an open dataframe, int64, in the order asked for."""
        if self.joinids is not None:
            unknown = np.setdiff1d(self.joinids, soma.joinids(dataframe))
            if len(unknown):
                raise AlbError(f"{self.dataframe} has no soma_joinid {unknown[:5].tolist()} ({len(unknown)} in all)")
        if self.query is None:
            rows = soma.joinids(dataframe) if self.joinids is None else self.joinids
            if not len(rows):
                raise AlbError(f"{self.dataframe} of {uri} has no rows, expected one at least")
            return rows
        found = self._found(dataframe, uri)
        selected = found if self.joinids is None else self.joinids[np.isin(self.joinids, found)]
        if not len(selected):
            of = f"row of {self.dataframe} of {uri}" if self.joinids is None else f"of the {len(self.joinids)} joinids"
            raise AlbError(f"{self.dataframe}_query {self.query!r} holds for no {of}, expected one at least")
        return selected

    def _found(self, dataframe: Any, uri: str) -> Int64:
        try:
            return soma.joinids(dataframe, self.query)
        # Releases refuse a filter with errors of a dozen kinds, from SyntaxError to those of TileDB.
        except Exception as error:
            names = ", ".join(dataframe.keys())
            raise AlbError(
                f"{self.dataframe}_query {self.query!r} failed on {self.dataframe} of {uri}: {_reason(error)}; "
                f"expected a TileDB value filter over some of: {names}"
            ) from error


def faults(name: str, joinids: npt.ArrayLike | None, query: str | None) -> list[str]:
    """What is wrong with joinids and filter of ``obs`` or ``var`` before anything is read, a sentence each."""
    found = []
    if query is not None and (not isinstance(query, str) or not query.strip()):
        found.append(f"{name}_query is {query!r}, expected a TileDB value filter")
    if joinids is None:
        return found
    try:
        ids = np.asarray(joinids)
    except ValueError:  # lists of several lengths
        return [*found, f"{name}_joinids is a {type(joinids).__name__}, expected one or more whole numbers"]
    if ids.ndim != 1 or len(ids) == 0 or not np.issubdtype(ids.dtype, np.integer):
        return [*found, f"{name}_joinids is {ids.dtype} of shape {ids.shape}, expected one or more whole numbers"]
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        found.append(f"{name}_joinids repeats {repeated} joinids, expected each once")
    return found


def as_int64(joinids: npt.ArrayLike | None) -> Int64 | None:
    """A copy of joinids as int64."""
    return None if joinids is None else np.array(joinids, dtype=np.int64)


def _reason(error: Exception) -> str:
    """What an error says, in one line, without the places in tiledbsoma's own files that follow in some releases."""
    return " ".join(str(error).split("\n\nAt:\n")[0].split()) or type(error).__name__


@dataclass(frozen=True, eq=False)
class ExperimentQuery:
    """What to load of an experiment."""

    #: Which X.
    measurement: str
    layer: str
    #: Rows and columns.
    obs: Selection
    var: Selection
    #: Columns of obs, besides ``soma_joinid``: as they are, and encoded.
    obs_columns: tuple[str, ...] = ()
    obs_codes: tuple[codes.Label, ...] = ()
    #: Of rows to be drawn with replacement: by row, or a column whose classes are to be balanced.
    weights: npt.NDArray[np.float64] | str | None = None
    #: Rows to draw; None for as many as there are.
    n_samples: int | None = None


@dataclass(frozen=True, eq=False)
class QueryResult:
    """The rows and columns that a query selects."""

    #: Joinids, int64, in the order asked for.
    rows: Int64
    columns: Int64
    #: Rows of an epoch.
    n_rows: int
    #: Whether all columns are selected.
    all_columns: bool
    #: Of each column that ``obs_codes`` are made of.
    categories: Mapping[str, pa.Array]
    #: What is drawn; None for each row once.
    sample: Sample | None = None

    def outline(self, n_rows: int) -> QueryResult:
        """Return some of the rows, evenly spaced: enough for a worker process, which gets its rows with each block."""
        some = np.linspace(0, len(self.rows) - 1, min(n_rows, len(self.rows))).astype(np.int64)
        return QueryResult(self.rows[some], self.columns, self.n_rows, self.all_columns, self.categories)


class OpenExperiment:
    """X and obs of an experiment, open in one process."""

    def __init__(
        self, uri: str, query: ExperimentQuery, options: Mapping[str, Any], result: QueryResult | None = None
    ) -> None:
        self.pid = os.getpid()
        self._uri = uri
        self._query = query
        self._obs_columns = tuple(dict.fromkeys([*query.obs_columns, *codes.columns_of(query.obs_codes)]))
        with soma.named_errors(uri), contextlib.ExitStack() as stack:
            experiment = stack.enter_context(soma.open_experiment(uri, **options))
            measurement, self._x = soma.sparse_x(experiment, query.measurement, query.layer, uri)
            self._obs = experiment.obs
            balanced = [query.weights] if isinstance(query.weights, str) else []
            missing = [name for name in (*self._obs_columns, *balanced) if name not in self._obs.keys()]  # noqa: SIM118
            if missing:
                names = ", ".join(self._obs.keys())
                raise NotFoundError(f"obs of {uri} has no column {', '.join(missing)}, expected some of: {names}")
            self._held = soma.whole_table(self._obs, self._obs_columns)
            self.result = result or _selected(self._obs, measurement.var, self._x, query, uri)
            self.rows, self.columns = self.result.rows, self.result.columns
            # Ascending, as TileDB stores them; the pipeline puts columns into the order asked for. Columns of X that
            # var has not are left out.
            everything = self.result.all_columns and len(self.columns) == self._x.shape[1]
            self._read_columns = None if everything else soma.as_coords(np.sort(self.columns))
            self._is_column: npt.NDArray[np.bool_] | None = None
            span = int(self.columns.max()) - int(self.columns.min()) + 1
            if self.result.all_columns and len(self.columns) < span < _MAX_SPAN:
                # Twice as fast as points; TileDB finds each of them.
                self._read_columns = slice(int(self.columns.min()), int(self.columns.max()))
                self._is_column = np.zeros(span, dtype=bool)
                self._is_column[self.columns - self._read_columns.start] = True
            self._stack = stack.pop_all()

    def table(self, joinids: Int64) -> pa.Table:
        """Entries of X in some rows, ascending joinids, and the selected columns."""
        with soma.named_errors(self._uri):
            return self._of_var(soma.read_table(self._x, joinids, self._read_columns))

    def tables(self, joinids: Int64) -> Iterator[pa.Table]:
        """Return the same a buffer at a time (:func:`alb_core.loader.soma.tables`)."""
        with soma.named_errors(self._uri):
            yield from map(self._of_var, soma.tables(self._x, joinids, self._read_columns))

    def _of_var(self, table: pa.Table) -> pa.Table:
        """Entries of a table in columns that var has."""
        if self._is_column is None:
            return table
        known = self._is_column[table.column("soma_dim_1").to_numpy() - self.columns.min()]
        return table if known.all() else table.filter(pa.array(known))

    def obs(self, joinids: Int64) -> pa.Table:
        """Rows of obs, in the order of the joinids, which may repeat."""
        distinct, places = np.unique(joinids, return_inverse=True)
        if len(distinct) == len(joinids):
            return self._encoded(joinids)
        return self._encoded(distinct).take(places)

    @cached_property
    def packed_row_bytes(self) -> float:
        """Bytes that a row takes packed, by some rows."""
        rows = np.sort(self.rows)
        starts = np.linspace(0, max(0, len(rows) - _PROBED_ROWS), _PROBED_PLACES).astype(np.int64)
        some = np.unique(np.concatenate([rows[start : start + _PROBED_ROWS] for start in starts]))
        # Read in a thread, like all else: Ctrl-C does not wait for a server that does not answer.
        with contextlib.closing(prefetched(map(self.table, [some]))) as read:
            return memory_budget.packed_row_bytes(next(read).column("soma_data").to_numpy(), len(some))

    @property
    def is_row_by_row(self) -> bool:
        """Whether tiles of X are as wide as its columns, as in a copy by ``alb data retile``."""
        width = soma.tile_width(self._x)
        return width is not None and width > int(self.columns.max())

    def _encoded(self, joinids: Int64) -> pa.Table:
        with soma.named_errors(self._uri):
            table = soma.read_dataframe(self._obs, joinids, self._obs_columns, self._held)
            return codes.encode(table, self._query.obs_columns, self._query.obs_codes, self.result.categories)

    def close(self) -> None:
        """Close the experiment, in the process that opened it, once nothing reads any more.

        After Ctrl-C it stays open where threads still read: it ends with the process, and nobody waits for them.
        """
        if self.pid != os.getpid() or (isinstance(sys.exc_info()[1], KeyboardInterrupt) and threads_running()):
            return
        wait_for_threads()
        self._stack.close()


def require_inside(x: Any, dimension: int, joinids: Int64, uri: str) -> None:
    """Refuse rows or columns beyond the shape of X, as where cells were added and X was not resized."""
    name, length = ("obs", "var")[dimension], int(x.shape[dimension])
    beyond = joinids[joinids >= length]
    if len(beyond):
        raise AlbError(
            f"{name} of {uri} has soma_joinid {beyond[0]} ({len(beyond)} such in all), and the shape of X ends at "
            f"{length}: resize X, or leave them out"
        )


def _require_type(x: Any, query: ExperimentQuery, uri: str) -> None:
    """Warn of values that float32 may not hold; refuse what are no numbers."""
    kind = x.schema.field("soma_data").type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise AlbError(f"X layer {query.layer!r} of {uri} holds {kind}, expected numbers")
    if kind.bit_width > (16 if pa.types.is_integer(kind) else 32):
        warnings.warn(
            f"X layer {query.layer!r} of {uri} holds {kind}, and batches float32: whole numbers above 16,777,216 and "
            "other values that float32 has not are rounded",
            stacklevel=2,
        )


def _selected(obs: Any, var: Any, x: Any, query: ExperimentQuery, uri: str) -> QueryResult:
    _require_type(x, query, uri)
    rows, columns = query.obs.of(obs, uri), query.var.of(var, uri)
    require_inside(x, 0, rows, uri)
    require_inside(x, 1, columns, uri)
    sample = None
    if query.weights is not None:
        weights = query.weights
        if isinstance(weights, str):
            weights = drawing.balanced(codes.read_codes(obs, weights, rows))
        if len(weights) != len(rows):
            raise AlbError(f"weights has {len(weights)} numbers for {len(rows)} rows, expected one for each")
        sample = Sample(weights, query.n_samples or len(rows))
    return QueryResult(
        rows,
        columns,
        len(rows) if sample is None else sample.n_samples,
        query.var.joinids is None and query.var.query is None,
        codes.categories_of_labels(obs, query.obs_codes, rows),
        sample,
    )
