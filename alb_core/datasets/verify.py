"""Prove a dataset: read all of it with the installed tiledbsoma, and compare with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma
from tqdm import tqdm

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.errors import AlbError
from alb_core.datasets.content import ExactSum, columns_checksum
from alb_core.datasets.find import dataset_path
from alb_core.datasets.manifest import RETILED, Manifest, bytes_digest, quick_check, refusal

#: Bytes of each of a read's three columns: four million non-zeros at a time.
_BUFFER = 32 << 20

Int64 = npt.NDArray[np.int64]


@dataclass
class _Totals:
    """What X/raw holds, as far as it has been read; by row and by column only where the cells are synthetic."""

    nnz: int
    x_sum: ExactSum
    checksum: int
    row_nnz: Int64
    row_sums: Int64
    column_nnz: Int64


def verify(word: str) -> Manifest:
    """Read all of a dataset and compare it with its manifest, in bounded memory.

    The files must be those that were written, byte for byte; shape, number of non-zeros, sum and checksum of X/raw,
    and the checksums of obs and var must be those of the manifest. Where the cells are synthetic, the counted columns
    of obs and var must be those of the cells, too. In a slice of a Census these columns count vars that are not in the
    slice, and a copy has those of its source.
    """
    path = dataset_path(word)
    manifest = quick_check(path)
    # First: TileDB may do anything with bytes that have been altered.
    try:
        digest = bytes_digest(path)
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})", asdict(manifest)) from error
    if digest != manifest.bytes_digest:
        raise refusal(path, "has files with other bytes than were written", asdict(manifest))
    prove(path, manifest)
    return manifest


def prove(path: Path, manifest: Manifest) -> None:
    """Read all of an experiment, and compare it with a manifest."""
    context = tiledbsoma.SOMATileDBContext(tiledb_config={"soma.init_buffer_bytes": _BUFFER})
    try:
        with tiledbsoma.Experiment.open(str(path), context=context) as experiment:
            obs, rna = experiment.obs, experiment.ms["RNA"]
            for name, length, frame in (("obs", "n_obs", obs), ("var", "n_vars", rna.var)):
                n_rows = sum(len(part) for part in _column(frame, "soma_joinid"))
                _compare(path, manifest, {length: n_rows})
                found = columns_checksum(frame.schema, n_rows, partial(_column, frame))
                _compare(path, manifest, {f"{name}_checksum": found})
            totals = _read(rna.X["raw"].read().tables(), manifest)
            counted = _counted(obs, rna.var, totals) if manifest.kind == "synthetic" else {}
            others = _others(rna.X, manifest)
    except AlbError:
        raise
    # TileDB's own errors have no common class: bytes that cannot be read are what is looked for here.
    except Exception as error:
        raise refusal(path, f"cannot be read ({' '.join(str(error).split())})", asdict(manifest)) from error
    _compare(
        path, manifest, {"nnz": totals.nnz, "x_sum": totals.x_sum.value(), "x_checksum": f"{totals.checksum:016x}"}
    )
    for column, holds in counted.items():
        if not holds:
            raise refusal(path, f"has a column {column} that its cells contradict", asdict(manifest))
    for layer, found in others.items():
        expected = manifest.spec["layers"][layer]
        if found != expected:
            raise refusal(path, f"has X/{layer} of checksum {found}, expected {expected}", asdict(manifest))


def _others(layers: Any, manifest: Manifest) -> dict[str, str]:
    """Checksums of the layers of X besides raw that a copy has."""
    found = {}
    for name in manifest.spec.get("layers", {}) if manifest.kind == RETILED else ():
        if name != "raw":
            found[name] = f"{combined(*map(_checksum, layers[name].read().tables())):016x}"
    return found


def _checksum(table: pa.Table) -> int:
    """Checksum of some non-zeros."""
    rows, columns, values = (table.column(name).to_numpy() for name in table.column_names)
    return coo_checksum(rows, columns, values)


def _column(frame: Any, name: str) -> Iterator[pa.ChunkedArray]:
    """Read a column in the order of ``soma_joinid``, as it comes."""
    for table in frame.read(column_names=[name], result_order="row-major"):
        yield table.column(name)


def _counted(obs: Any, var: Any, totals: _Totals) -> dict[str, bool]:
    """Tell for each counted column whether it is what was read."""
    columns = (("nnz", "obs", obs, totals.row_nnz), ("raw_sum", "obs", obs, totals.row_sums))
    return {
        f"{name} in {table}": np.array_equal(np.concatenate(list(_column(frame, name))), expected)
        for name, table, frame, expected in (*columns, ("nnz", "var", var, totals.column_nnz))
    }


def _read(tables: Iterator[pa.Table], manifest: Manifest) -> _Totals:
    """Read X/raw, in whatever order it comes."""
    synthetic = manifest.kind == "synthetic"
    n_obs, n_vars = (manifest.n_obs, manifest.n_vars) if synthetic else (0, 0)
    totals = _Totals(0, ExactSum(), 0, np.zeros(n_obs, np.int64), np.zeros(n_obs, np.int64), np.zeros(n_vars, np.int64))
    with tqdm(total=manifest.nnz, desc=manifest.name, unit=" nnz", unit_scale=True, disable=None, leave=False) as bar:
        for table in tables:
            rows, columns, values = (table.column(name).to_numpy() for name in table.column_names)
            totals.nnz += len(rows)
            # The loader yields float32; the layers of a copy have the types of its source.
            totals.x_sum.add(values.astype(np.float32, copy=False))
            totals.checksum = combined(totals.checksum, coo_checksum(rows, columns, values))
            if len(rows) and synthetic:
                first, size = int(rows.min()), int(rows.max() - rows.min()) + 1
                part = slice(first, first + size)
                totals.row_nnz[part] += np.bincount(rows - first, minlength=size)
                totals.row_sums[part] += np.bincount(rows - first, values, size).astype(np.int64)
                totals.column_nnz += np.bincount(columns, minlength=n_vars)
            bar.update(len(rows))
    return totals


def _compare(path: Path, manifest: Manifest, found: dict[str, Any]) -> None:
    """Refuse a dataset that holds something else than its manifest says."""
    for field, value in found.items():
        expected = getattr(manifest, field)
        if value != expected:
            raise refusal(path, f"has {field} {value}, its manifest says {expected}", asdict(manifest))
