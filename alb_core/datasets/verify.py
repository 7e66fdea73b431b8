"""Prove a dataset: read all of it with the installed tiledbsoma, and compare with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tiledbsoma
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.datasets.content import ExactTotals, columns_checksum
from alb_core.datasets.find import dataset_path
from alb_core.datasets.manifest import (
    MANIFEST_NAME,
    RETILED,
    Manifest,
    bytes_digest,
    directories,
    own_digest,
    quick_check,
    refusal,
)
from alb_core.datasets.synthetic.obs_var import RunningCounts

#: Bytes of each of a read's three columns: four million non-zeros at a time.
_BUFFER = 32 << 20


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
    n_directories, n_links = directories(path)
    if n_links:
        raise refusal(path, "has links, where files and directories were written", asdict(manifest))
    # Copies through buckets lack empty ones.
    if manifest.directories is not None and n_directories > manifest.directories:
        raise refusal(path, "has more directories than were written", asdict(manifest))
    prove(path, manifest)
    if manifest.own_digest and manifest.own_digest != own_digest(manifest):
        raise refusal(path, f"has a {MANIFEST_NAME} that was changed", asdict(manifest))
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
            counts = RunningCounts(manifest.n_obs, manifest.n_vars) if manifest.kind == "synthetic" else None
            totals = _read(rna.X["raw"], manifest.nnz, manifest.name, counts)
            counted = _counted(obs, rna.var, counts) if counts is not None else {}
            layers = manifest.spec.get("layers", {}) if manifest.kind == RETILED else {}
            others = {name: _read(rna.X[name], None, name).checksum for name in layers if name != "raw"}
    except AlbError:
        raise
    # TileDB's own errors have no common class: bytes that cannot be read are what is looked for here.
    except Exception as error:
        raise refusal(path, f"cannot be read ({' '.join(str(error).split())})", asdict(manifest)) from error
    _compare(path, manifest, {"nnz": totals.nnz, "x_sum": totals.sum, "x_checksum": totals.checksum})
    for column, holds in counted.items():
        if not holds:
            raise refusal(path, f"has a column {column} that its cells contradict", asdict(manifest))
    for layer, found in others.items():
        if found != layers[layer]:
            raise refusal(path, f"has X/{layer} of checksum {found}, expected {layers[layer]}", asdict(manifest))


def _column(frame: Any, name: str) -> Iterator[pa.ChunkedArray]:
    """Read a column in the order of ``soma_joinid``, as it comes."""
    for table in frame.read(column_names=[name], result_order="row-major"):
        yield table.column(name)


def _counted(obs: Any, var: Any, counts: RunningCounts) -> dict[str, bool]:
    """Tell for each counted column whether it is what was read."""
    columns = (("nnz", "obs", obs, counts.nnz), ("raw_sum", "obs", obs, counts.sums))
    return {
        f"{name} in {table}": np.array_equal(np.concatenate(list(_column(frame, name))), expected)
        for name, table, frame, expected in (*columns, ("nnz", "var", var, counts.var_nnz))
    }


def _read(x: Any, nnz: int | None, name: str, counts: RunningCounts | None = None) -> ExactTotals:
    """Read a layer of X, in whatever order it comes; ``nnz`` and ``name`` are shown in the progress bar."""
    totals = ExactTotals()
    with tqdm(total=nnz, desc=name, unit=" nnz", unit_scale=True, disable=None, leave=False) as bar:
        for table in x.read().tables():
            rows, columns, values = (table.column(name).to_numpy() for name in table.column_names)
            # The loader yields float32; the layers of a copy have the types of its source.
            totals.add(rows, columns, values.astype(np.float32, copy=False))
            if counts is not None:
                counts.add(rows, columns, values)
            bar.update(len(rows))
    return totals


def _compare(path: Path, manifest: Manifest, found: dict[str, Any]) -> None:
    """Refuse a dataset that holds something else than its manifest says."""
    for field, value in found.items():
        expected = getattr(manifest, field)
        if value != expected:
            raise refusal(path, f"has {field} {value}, its manifest says {expected}", asdict(manifest))
