"""A small SOMA experiment, written by whichever tiledbsoma runs the tests, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma

from alb_core.base.checksum import Totals, dense_checksum


@dataclass(frozen=True, repr=False)
class Tiny:
    """An experiment at ``uri`` and the truth about it."""

    uri: str
    obs_joinids: npt.NDArray[np.int64]
    var_joinids: npt.NDArray[np.int64]
    x: npt.NDArray[np.float32]
    cell_type: npt.NDArray[np.object_]
    raw_sum: npt.NDArray[np.float64]

    @property
    def totals(self) -> Totals:
        """What X comes to, as a manifest would say."""
        checksum = dense_checksum(self.x, self.obs_joinids, self.var_joinids)
        x_sum = self.x.sum(dtype=np.float64)
        total = int(x_sum) if x_sum.is_integer() else float(x_sum)
        return Totals(len(self.obs_joinids), int(np.count_nonzero(self.x)), total, checksum)

    def rows(self, joinids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Rows of the truth at which obs joinids stand."""
        return np.searchsorted(self.obs_joinids, np.asarray(joinids))

    def columns(self, joinids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Columns of the truth at which var joinids stand."""
        return np.searchsorted(self.var_joinids, np.asarray(joinids))


def write_tiny(
    path: Path,
    n_obs: int = 700,
    n_vars: int = 150,
    *,
    gaps: bool = True,
    seed: int = 0,
    values: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] = np.array,
) -> Tiny:
    """Write the experiment: every tenth cell non-zero, a few empty rows, joinids with gaps.

    X holds whole counts, or what ``values`` makes of them.
    """
    rng = np.random.default_rng(seed)
    obs_joinids = np.sort(rng.choice(3 * n_obs, n_obs, replace=False)) if gaps else np.arange(n_obs)
    var_joinids = np.sort(rng.choice(2 * n_vars, n_vars, replace=False)) if gaps else np.arange(n_vars)
    x = (rng.integers(1, 50, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.1)).astype(np.float32)
    x[::97] = 0
    x[x != 0] = values(x[x != 0])
    cell_type = np.array(["T cell", "B cell", "neuron"], dtype=object)[rng.integers(0, 3, n_obs)]
    raw_sum = x.sum(axis=1, dtype=np.float64)

    obs = pa.table(
        {
            "soma_joinid": pa.array(obs_joinids, pa.int64()),
            "cell_type": pa.array(cell_type, pa.string()).dictionary_encode(),
            "raw_sum": pa.array(raw_sum, pa.float64()),
            "nnz": pa.array((x != 0).sum(axis=1), pa.int64()),
        }
    )
    var = pa.table({"soma_joinid": pa.array(var_joinids, pa.int64()), "feature_length": pa.array(np.arange(n_vars))})
    rows, columns = np.nonzero(x)
    write_tables(path, obs, var, coordinates(obs_joinids[rows], var_joinids[columns], x[rows, columns]))
    return Tiny(str(path), obs_joinids, var_joinids, x, cell_type, raw_sum)


def coordinates(
    rows: npt.ArrayLike, columns: npt.ArrayLike, values: npt.ArrayLike, kind: pa.DataType | None = None
) -> pa.Table:
    """Table of non-zeros, as X is written; of float32 unless ``kind`` is another type."""
    return pa.table(
        {
            "soma_dim_0": pa.array(rows, pa.int64()),
            "soma_dim_1": pa.array(columns, pa.int64()),
            "soma_data": pa.array(values, kind or pa.float32()),
        }
    )


def joinids(n: int) -> pa.Table:
    """The least that can be obs or var."""
    return pa.table({"soma_joinid": pa.array(np.arange(n), pa.int64())})


def write_tables(
    path: Path,
    obs: pa.Table,
    var: pa.Table,
    x: pa.Table | npt.NDArray[np.float32],
    layer: str = "raw",
    more: Mapping[str, pa.Table] | None = None,
) -> str:
    """Write an experiment, its X sparse from a table of coordinates or dense from an array; return where.

    ``more`` are other sparse layers of X.
    """
    with tiledbsoma.Experiment.create(str(path)) as experiment:
        add_dataframe(experiment, "obs", obs)
        experiment.add_new_collection("ms")
        rna = experiment.ms.add_new_collection("RNA", tiledbsoma.Measurement)
        add_dataframe(rna, "var", var)
        rna.add_new_collection("X")
        shape = (_last(obs) + 1, _last(var) + 1)
        for name, table in {layer: x, **(more or {})}.items():
            if isinstance(table, pa.Table):
                kind = table.schema.field("soma_data").type
                rna.X.add_new_sparse_ndarray(name, type=kind, shape=shape).write(table)
        if not isinstance(x, pa.Table):
            everything = (slice(0, shape[0] - 1), slice(0, shape[1] - 1))
            rna.X.add_new_dense_ndarray(layer, type=pa.float32(), shape=shape).write(
                everything, pa.Tensor.from_numpy(x)
            )
    for place, table in (("obs", obs), ("ms/RNA/var", var)):
        fill_dataframe(path / place, table)
    return str(path)


def add_dataframe(collection: tiledbsoma.Collection, name: str, table: pa.Table) -> None:
    """Create a dataframe in a collection, with room for a table."""
    collection.add_new_dataframe(
        name, schema=table.schema, index_column_names=["soma_joinid"], domain=((0, _last(table)),)
    ).close()


def fill_dataframe(path: Path, table: pa.Table) -> None:
    """Write a table. Not while its experiment is being created: 2.3.0 then loses the words of dictionary columns."""
    with tiledbsoma.DataFrame.open(str(path), "w") as dataframe:
        dataframe.write(table)


def _last(table: pa.Table) -> int:
    return int(table.column("soma_joinid")[-1].as_py()) if table.num_rows else 0
