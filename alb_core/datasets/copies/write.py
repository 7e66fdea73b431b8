"""Write a copy and read it back (:mod:`alb_core.datasets.copies.copies` says how it is laid out)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from tqdm import tqdm

from alb_core.base.checksum import Totals, combined, coo_checksum
from alb_core.base.errors import AlbError
from alb_core.datasets.manifest import Manifest
from alb_core.loader import soma as soma_module
from alb_core.loader.block_pipeline import Positions

#: Rows read at once: 100 MB of a dataset with 2,800 non-zeros a row.
_ROWS = 4096
_BUFFER = 64 * 2**20

#: Values read back at once, to be compared with the manifest.
_VALUES = 2**20

#: annbatch's defaults.
_ROWS_OF_A_CHUNK = 64
_CHUNKS_OF_A_SHARD = 64

#: An open file: h5py's groups and zarr's have the same methods, as far as they are needed here.
_File: TypeAlias = AbstractContextManager[Any]


class _Array:
    """An array on the disk that is filled from its start, ``unit`` values at a time, so no chunk is written twice."""

    def __init__(self, array: Any, unit: int) -> None:
        self._array, self._unit = array, unit
        self._pending: list[npt.NDArray[Any]] = []
        self._n_filled = 0

    def append(self, values: npt.NDArray[Any], *, last: bool = False) -> None:
        self._pending.append(values)
        n = sum(map(len, self._pending))
        if n < self._unit and not last:
            return
        pending = np.concatenate(self._pending)
        n_written = n if last else n - n % self._unit
        self._array[self._n_filled : self._n_filled + n_written] = pending[:n_written]
        self._n_filled += n_written
        self._pending = [pending[n_written:].copy()]


def write(dataset: Path, manifest: Manifest, path: Path, form: str) -> None:
    """Write all of a dataset, a few rows at a time."""
    options = {"sm.mem.malloc_trim": "false"}
    with (
        soma_module.open_experiment(
            str(dataset), py_buffer_size=_BUFFER, soma_buffer_size=_BUFFER, config=options
        ) as soma,
        _CREATE[form](path, manifest) as file,
    ):
        measurement, x = soma_module.sparse_x(soma, "RNA", "raw", str(dataset))
        rows, columns = soma_module.joinids(soma.obs), soma_module.joinids(measurement.var)
        names = [name for name in ("soma_joinid", "dataset_id") if name in soma.obs.keys()]  # noqa: SIM118
        obs = soma_module.read_dataframe(soma.obs, rows, names).to_pandas()
        _write_table(file, "obs", obs)
        var = soma_module.read_dataframe(measurement.var, columns, ["soma_joinid"]).to_pandas()
        _write_table(file, "var", var)
        group = file["X"]
        unit = int(np.prod(getattr(group["data"], "shards", None) or group["data"].chunks))
        data, indices = _Array(group["data"], unit), _Array(group["indices"], unit)
        indptr, positions, nnz = [np.zeros(1, np.int64)], Positions(columns), 0
        with tqdm(total=len(rows), unit=" cells", unit_scale=True, disable=None) as bar:
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS]
                matrix = _matrix(soma_module.read_table(x, part, None), Positions(part), positions)
                nnz += matrix.nnz
                if nnz > manifest.nnz or (start + len(part) == len(rows) and nnz < manifest.nnz):
                    raise AlbError(
                        f"X of {dataset} has {nnz} values up to row {start + len(part)} of {len(rows)}, "
                        f"expected {manifest.nnz} in all as its manifest says"
                    )
                data.append(matrix.data)
                indices.append(matrix.indices)
                indptr.append(indptr[-1][-1] + matrix.indptr[1:].astype(np.int64))
                bar.update(len(part))
        data.append(np.empty(0, np.float32), last=True)
        indices.append(np.empty(0, np.int32), last=True)
        group["indptr"][:] = np.concatenate(indptr)


def _write_table(file: Any, name: str, table: Any) -> None:
    """Write obs or var; the names of its rows are the joinids."""
    from anndata.io import write_elem

    with warnings.catch_warnings():
        # It says that zarr's next release will choose shards by itself.
        warnings.simplefilter("ignore", UserWarning)
        write_elem(file, name, table.set_index(table["soma_joinid"].astype(str).rename("joinid")))


def _matrix(table: Any, rows: Positions, columns: Positions) -> Any:
    """Rows of X with ascending columns, as CSR."""
    ids = (rows.of(table["soma_dim_0"].to_numpy()), columns.of(table["soma_dim_1"].to_numpy()))
    values = table["soma_data"].to_numpy().astype(np.float32, copy=False)
    matrix = sp.csr_matrix((values, ids), shape=(len(rows), len(columns)))
    matrix.sort_indices()
    return matrix


def verify(path: Path, manifest: Manifest, form: str) -> None:
    """Open a copy again, and refuse it where the disk does not hold what the dataset's manifest says."""
    with _OPEN[form](path) as file:
        totals = _totals(file)
    totals.require(manifest.totals)


def _totals(file: Any) -> Totals:
    """Count what a copy holds."""
    x, rows, columns = file["X"], file["obs"]["soma_joinid"][:], file["var"]["soma_joinid"][:]
    indptr = x["indptr"][:]
    total, checksum = 0.0, 0
    nnz = x["data"].shape[0]
    for start in range(0, nnz, _VALUES):
        values, positions = x["data"][start : start + _VALUES], x["indices"][start : start + _VALUES]
        row = np.searchsorted(indptr, np.arange(start, start + len(values)), side="right") - 1
        total += float(values.sum(dtype=np.float64))
        checksum = combined(checksum, coo_checksum(rows[row], columns[positions], values))
    return Totals(len(indptr) - 1, nnz, total, checksum)


def _arrays(manifest: Manifest) -> Iterator[tuple[str, int, str]]:
    """Name, length and type of the arrays of X, as AnnData has it."""
    yield "data", manifest.nnz, "float32"
    yield "indices", manifest.nnz, "int32"
    yield "indptr", manifest.n_obs + 1, "int64"


def _encode(file: Any, x: Any, manifest: Manifest) -> None:
    """Set the attributes by which AnnData knows the arrays."""
    file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    shape = [manifest.n_obs, manifest.n_vars]
    x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})


def _create_h5ad(path: Path, manifest: Manifest) -> _File:
    import h5py

    file = h5py.File(path, "w")
    x = file.create_group("X")
    for name, length, kind in _arrays(manifest):
        x.create_dataset(name, shape=(length,), maxshape=(None,), dtype=kind)
    _encode(file, x, manifest)
    opened: _File = file
    return opened


def _open_h5ad(path: Path) -> _File:
    import h5py

    file: _File = h5py.File(path, "r")
    return file


def _create_zarr(path: Path, manifest: Manifest) -> _File:
    import zarr
    from zarr.codecs import BloscCodec

    file = zarr.open_group(path, mode="w", zarr_format=3)
    x = file.create_group("X")
    chunk = max(1, round(manifest.nnz / manifest.n_obs * _ROWS_OF_A_CHUNK))
    for name, length, kind in _arrays(manifest):
        size = chunk if name != "indptr" else length
        x.create_array(
            name,
            shape=(length,),
            chunks=(size,),
            shards=(size * _CHUNKS_OF_A_SHARD,) if name != "indptr" else None,
            dtype=kind,
            compressors=BloscCodec(cname="lz4", clevel=3, shuffle="shuffle"),
        )
    _encode(file, x, manifest)
    return nullcontext(file)


def _open_zarr(path: Path) -> _File:
    import zarr

    return nullcontext(zarr.open_group(path, mode="r"))


_CREATE: Mapping[str, Callable[[Path, Manifest], _File]] = {"h5ad": _create_h5ad, "zarr": _create_zarr}
_OPEN: Mapping[str, Callable[[Path], _File]] = {"h5ad": _open_h5ad, "zarr": _open_zarr}
