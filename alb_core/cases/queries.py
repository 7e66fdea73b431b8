"""Cases beside epochs: open an experiment, query the rows of a filter, read the same rows again and again.

Each result must be what the dataset holds (design rule 9).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import tiledbsoma

from alb_core.base.certificate import require_own_libraries
from alb_core.base.errors import AlbError
from alb_core.base.memory import held_bytes
from alb_core.base.paths import datasets_root
from alb_core.cases.preflight import ready
from alb_core.loader import soma

Bools = npt.NDArray[np.bool_]

#: Value filters over obs by the kind of their column: the filter for TileDB, the column, and the same filter in numpy.
FILTERS: Mapping[str, tuple[str, str, Callable[[Any], Bools]]] = {
    "enumerated": (
        "cell_type == 'synthetic cell type 1'",
        "cell_type",
        lambda values: np.asarray(values == "synthetic cell type 1"),
    ),
    "number": ("nnz > 3000", "nnz", lambda values: np.asarray(values > 3000)),
}

#: Rows that are read again and again, and how often: first until pools and caches are full, then while growth counts.
REPEATED_ROWS = 1024
FIRST_READS, READS = 4, 14


class OpenCase:
    """Opening an experiment with the library's default context, in a process that has opened none."""

    def __init__(self, dataset: str, reach: str) -> None:
        self._manifest = ready(dataset)
        self._uri = str(datasets_root() / dataset)
        self._reach = {"experiment": False, "x": True}[reach]

    def open(self) -> None:
        """Open it, and close it."""
        with soma.open_experiment(self._uri) as experiment:
            if self._reach:
                _, x = soma.sparse_x(experiment, "RNA", "raw", self._uri)
                shape = (self._manifest.n_obs, self._manifest.n_vars)
                _require((experiment.obs.count, *x.shape), (shape[0], *shape), "rows of obs, and shape of X")


class QueryCase:
    """An axis query with a value filter over obs, at the library's default context."""

    def __init__(self, dataset: str, column: str, result: str) -> None:
        ready(dataset)
        self._filter, name, holds = FILTERS[column]
        self._wants_x = {"joinids": False, "x": True}[result]
        self._stack = ExitStack()
        self._experiment = self._stack.enter_context(soma.open_experiment(str(datasets_root() / dataset)))
        obs = self._experiment.obs.read(column_names=["soma_joinid", "nnz", *({name} - {"nnz"})]).concat()
        mask = holds(obs.column(name).to_pandas().to_numpy())
        self._rows = np.sort(obs.column("soma_joinid").to_numpy()[mask])
        self._nnz = int(obs.column("nnz").to_numpy()[mask].sum())
        if not len(self._rows):
            raise AlbError(f"no row of {dataset} has {self._filter}, expected one at least: make the dataset again")

    def query(self) -> None:
        """Run the query once."""
        rows_query = tiledbsoma.AxisQuery(value_filter=self._filter)
        with self._experiment.axis_query("RNA", obs_query=rows_query) as query:
            rows = np.sort(query.obs_joinids().to_numpy())
            if not np.array_equal(rows, self._rows):
                raise AlbError(f"{self._filter} gave {len(rows):,} rows, expected the {len(self._rows):,} of obs")
            if self._wants_x:
                found = sum(table.num_rows for table in query.X("raw").tables())
                _require((found,), (self._nnz,), f"non-zeros of {self._filter}")

    def close(self) -> None:
        """Close the experiment."""
        require_own_libraries()
        self._stack.close()


class RepeatCase:
    """The same rows, read again and again in one process."""

    def __init__(self, dataset: str, what: str) -> None:
        manifest = ready(dataset)
        self._uri = str(datasets_root() / dataset)
        self._reopens = {"read": False, "open": True}[what]
        self._stack = ExitStack()
        experiment = self._stack.enter_context(soma.open_experiment(self._uri))
        self._rows = np.arange(min(REPEATED_ROWS, manifest.n_obs), dtype=np.int64)
        ids = experiment.obs.read(coords=(slice(0, int(self._rows[-1])),), column_names=["nnz"]).concat()
        self._nnz = int(ids.column("nnz").to_numpy().sum())
        _, self._x = soma.sparse_x(experiment, "RNA", "raw", self._uri)

    def growth(self) -> float:
        """Bytes by which this process grows with each read, after the first reads."""
        held = []
        for number in range(FIRST_READS + READS):
            self._once()
            # Objects that wait for Python's collector are no growth.
            gc.collect()
            if number >= FIRST_READS:
                held.append(float(held_bytes()))
        return slope(held)

    def close(self) -> None:
        """Close the experiment."""
        require_own_libraries()
        self._stack.close()

    def _once(self) -> None:
        if self._reopens:
            with soma.open_experiment(self._uri) as experiment:
                self._read(soma.sparse_x(experiment, "RNA", "raw", self._uri)[1])
        else:
            self._read(self._x)

    def _read(self, x: Any) -> None:
        _require((soma.read_table(x, self._rows, None).num_rows,), (self._nnz,), "non-zeros of a read")


def slope(values: Sequence[float]) -> float:
    """Growth from one value to the next: the median over all pairs (Theil 1950, Sen 1968), which no jump moves."""
    return median((values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2))


def _require(found: Sequence[int], expected: Sequence[int], what: str) -> None:
    if tuple(found) != tuple(expected):
        raise AlbError(f"{what}: {tuple(found)}, expected {tuple(expected)}, which is what the dataset holds")
