"""A small SOMA experiment, written by whichever tiledbsoma runs the tests, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma


@dataclass(frozen=True)
class Tiny:
    """An experiment at ``uri`` and the truth about it."""

    uri: str
    obs_joinids: npt.NDArray[np.int64]
    var_joinids: npt.NDArray[np.int64]
    x: npt.NDArray[np.float32]
    cell_type: npt.NDArray[np.object_]
    raw_sum: npt.NDArray[np.float64]

    def rows(self, joinids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Rows of the truth at which obs joinids stand."""
        return np.searchsorted(self.obs_joinids, np.asarray(joinids))

    def columns(self, joinids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Columns of the truth at which var joinids stand."""
        return np.searchsorted(self.var_joinids, np.asarray(joinids))


def write_tiny(path: Path, n_obs: int = 700, n_vars: int = 150, *, gaps: bool = True, seed: int = 0) -> Tiny:
    """Write the experiment: whole counts, every tenth cell non-zero, a few empty rows, joinids with gaps."""
    rng = np.random.default_rng(seed)
    obs_joinids = np.sort(rng.choice(3 * n_obs, n_obs, replace=False)) if gaps else np.arange(n_obs)
    var_joinids = np.sort(rng.choice(2 * n_vars, n_vars, replace=False)) if gaps else np.arange(n_vars)
    x = (rng.integers(1, 50, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.1)).astype(np.float32)
    x[::97] = 0
    cell_type = np.array(["T cell", "B cell", "neuron"], dtype=object)[rng.integers(0, 3, n_obs)]
    raw_sum = x.sum(axis=1, dtype=np.float64)

    obs = pa.table(
        {
            "soma_joinid": pa.array(obs_joinids, pa.int64()),
            "cell_type": pa.array(cell_type, pa.string()).dictionary_encode(),
            "raw_sum": pa.array(raw_sum, pa.float64()),
        }
    )
    var = pa.table({"soma_joinid": pa.array(var_joinids, pa.int64()), "feature_length": pa.array(np.arange(n_vars))})
    rows, columns = np.nonzero(x)
    values = pa.table(
        {
            "soma_dim_0": pa.array(obs_joinids[rows], pa.int64()),
            "soma_dim_1": pa.array(var_joinids[columns], pa.int64()),
            "soma_data": pa.array(x[rows, columns], pa.float32()),
        }
    )
    with tiledbsoma.Experiment.create(path.as_uri()) as experiment:
        _add(experiment, "obs", obs)
        experiment.add_new_collection("ms")
        rna = experiment.ms.add_new_collection("RNA", tiledbsoma.Measurement)
        _add(rna, "var", var)
        rna.add_new_collection("X")
        shape = (int(obs_joinids[-1]) + 1, int(var_joinids[-1]) + 1)
        rna.X.add_new_sparse_ndarray("raw", type=pa.float32(), shape=shape).write(values)
    # Not while the experiment is being created: 2.3.0 then loses the words of dictionary columns without a word.
    for place, table in (("obs", obs), ("ms/RNA/var", var)):
        with tiledbsoma.DataFrame.open(f"{path.as_uri()}/{place}", "w") as dataframe:
            dataframe.write(table)
    return Tiny(str(path), obs_joinids, var_joinids, x, cell_type, raw_sum)


def _add(collection: tiledbsoma.Collection, name: str, table: pa.Table) -> None:
    last = int(table.column("soma_joinid")[-1].as_py())
    collection.add_new_dataframe(
        name, schema=table.schema, index_column_names=["soma_joinid"], domain=((0, last),)
    ).close()
