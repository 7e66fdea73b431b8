"""Prove a dataset: read all of it, with the installed tiledbsoma, and compare with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma
from tqdm import tqdm

from alb_core.checksum import combined, coo_checksum
from alb_core.datasets.content import table_checksum
from alb_core.datasets.manifest import Manifest, bytes_digest, quick_check, refusal
from alb_core.datasets.spec import checked_name
from alb_core.errors import AlbError
from alb_core.paths import datasets_root

#: Bytes of each of a read's three columns: four million non-zeros at a time.
_BUFFER = 32 << 20

Int64 = npt.NDArray[np.int64]


@dataclass
class _Seen:
    """What X/raw holds, as far as it has been read."""

    nnz: int
    total: int
    checksum: int
    row_nnz: Int64
    row_sums: Int64
    column_nnz: Int64


def verify(name: str) -> Manifest:
    """Read a whole dataset and compare it with its manifest, in bounded memory.

    The files must be those that were written, byte for byte; shape, number of non-zeros, sum and checksum of X/raw,
    and the checksums of obs and var must be those of the manifest; and the counted columns of obs and var those of
    the cells.

    Parameters
    ----------
    name
        Of a dataset under the data directory.

    Returns
    -------
    Manifest
        What has been proven.

    Raises
    ------
    AlbError
        If anything differs, or cannot be read; says what repairs it.
    """
    path = datasets_root() / checked_name(name)
    manifest = quick_check(path)
    # First: TileDB may do anything with bytes that have been altered.
    try:
        digest = bytes_digest(path)
    except OSError as error:
        raise refusal(name, f"cannot be read ({error})", {"spec": manifest.spec}) from error
    if digest != manifest.bytes_digest:
        raise refusal(name, "has files with other bytes than were written", {"spec": manifest.spec})
    context = tiledbsoma.SOMATileDBContext(tiledb_config={"soma.init_buffer_bytes": _BUFFER})
    try:
        with tiledbsoma.Experiment.open(str(path), context=context) as experiment:
            rna = experiment.ms["RNA"]
            obs = experiment.obs.read().concat()
            var = rna.var.read().concat()
            found: dict[str, Any] = {
                "n_obs": len(obs),
                "n_vars": len(var),
                "obs_checksum": table_checksum(obs),
                "var_checksum": table_checksum(var),
            }
            _compare(manifest, found)
            seen = _read(rna.X["raw"].read().tables(), manifest)
    except AlbError:
        raise
    # TileDB's own errors have no common class: bytes that cannot be read are what is looked for here.
    except Exception as error:
        raise refusal(name, f"cannot be read ({' '.join(str(error).split())})", {"spec": manifest.spec}) from error
    _compare(manifest, {"nnz": seen.nnz, "x_sum": seen.total, "x_checksum": f"{seen.checksum:016x}"})
    counted = (("obs", "nnz", obs, seen.row_nnz), ("obs", "raw_sum", obs, seen.row_sums))
    for table, column, content, expected in (*counted, ("var", "nnz", var, seen.column_nnz)):
        if not np.array_equal(content.sort_by("soma_joinid").column(column).to_numpy(), expected):
            raise refusal(name, f"has a column {column} in {table} that its cells contradict", {"spec": manifest.spec})
    return manifest


def _read(tables: Iterator[pa.Table], manifest: Manifest) -> _Seen:
    """Read X/raw, in whatever order it comes."""
    n_obs, n_vars = manifest.n_obs, manifest.n_vars
    seen = _Seen(0, 0, 0, np.zeros(n_obs, np.int64), np.zeros(n_obs, np.int64), np.zeros(n_vars, np.int64))
    with tqdm(total=manifest.nnz, desc=manifest.name, unit=" nnz", unit_scale=True, disable=None, leave=False) as bar:
        for table in tables:
            rows, columns, values = (table.column(name).to_numpy() for name in table.column_names)
            seen.nnz += len(rows)
            seen.total += int(values.sum(dtype=np.float64))
            seen.checksum = combined(seen.checksum, coo_checksum(rows, columns, values))
            if len(rows):
                first, size = int(rows.min()), int(rows.max() - rows.min()) + 1
                part = slice(first, first + size)
                seen.row_nnz[part] += np.bincount(rows - first, minlength=size)
                seen.row_sums[part] += np.bincount(rows - first, values, size).astype(np.int64)
                seen.column_nnz += np.bincount(columns, minlength=n_vars)
            bar.update(len(rows))
    return seen


def _compare(manifest: Manifest, found: dict[str, Any]) -> None:
    """Refuse a dataset that holds something else than its manifest says."""
    for field, value in found.items():
        expected = getattr(manifest, field)
        if value != expected:
            reason = f"has {field} {value}, its manifest says {expected}"
            raise refusal(manifest.name, reason, {"spec": manifest.spec})
