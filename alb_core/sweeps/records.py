"""The table of epoch records: one row per epoch, in a parquet file that many processes may append to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alb_core.base.errors import AlbError, one_line
from alb_core.base.files import locked, write_atomically
from alb_core.base.paths import own_place

_TIME = pa.timestamp("us")

#: Columns that measurements of this field have had since 2024, and their types. ``elapsed`` and ``gc`` are seconds,
#: ``max_mem`` and the buffers bytes, ``max_batches`` is 0 where there was no limit; times are local.
FIELD_COLUMNS: Mapping[str, pa.DataType] = {
    "start_dt": _TIME,
    "end_dt": _TIME,
    "alb_start_dt": _TIME,
    "epoch": pa.int64(),
    "n_rows": pa.int64(),
    "n_cols": pa.int64(),
    "elapsed": pa.float64(),
    "gc": pa.float64(),
    "max_mem": pa.int64(),
    "sha": pa.string(),
    "user": pa.string(),
    "hostname": pa.string(),
    "instance_id": pa.string(),
    "instance_type": pa.string(),
    "uri": pa.string(),
    "chunk_method": pa.string(),
    "batch_size": pa.int64(),
    "chunk_size": pa.int64(),
    "chunks_per_block": pa.int64(),
    "block_size": pa.int64(),
    "py_buffer_size": pa.int64(),
    "soma_buffer_size": pa.int64(),
    "max_batches": pa.int64(),
    "total_rows": pa.int64(),
    "collection_id": pa.string(),
    "census_uri": pa.string(),
    "census_version": pa.string(),
    "start_idx": pa.int64(),
    "end_idx": pa.int64(),
    "sorted_datasets": pa.bool_(),
    "host": pa.string(),
}

#: Columns of this project's own records; null in those of others. ``first_batch``, ``reading``, ``converting`` and
#: ``waiting`` are seconds, ``read_bytes`` bytes. ``n_rows`` and ``elapsed`` include the first batch only where
#: ``first_batch_counted``; ``oom`` marks a configuration that ran out of memory and has no figures;
#: ``tiledb_config`` has what was set of TileDB's options, but for secrets.
OWN_COLUMNS: Mapping[str, pa.DataType] = {
    "dataset": pa.string(),
    "machine": pa.string(),
    "hardware": pa.string(),
    "device": pa.string(),
    "measurement": pa.string(),
    "layer": pa.string(),
    "shuffle": pa.string(),
    "seed": pa.int64(),
    "first_batch": pa.float64(),
    "first_batch_counted": pa.bool_(),
    "n_batches": pa.int64(),
    "n_blocks": pa.int64(),
    "gc_freq": pa.int64(),
    "tiledb_config": pa.string(),
    "reading": pa.float64(),
    "converting": pa.float64(),
    "waiting": pa.float64(),
    "read_bytes": pa.int64(),
    "nnz": pa.int64(),
    "checksum": pa.string(),
    "oom": pa.bool_(),
    "python_version": pa.string(),
    "tiledbsoma_version": pa.string(),
    "libtiledb_version": pa.string(),
    "pyarrow_version": pa.string(),
    "numpy_version": pa.string(),
    "scipy_version": pa.string(),
    "torch_version": pa.string(),
}

COLUMNS: Mapping[str, pa.DataType] = {**FIELD_COLUMNS, **OWN_COLUMNS}

#: Without these a table says nothing about speed against memory.
NEEDED = ("n_rows", "elapsed", "max_mem", "epoch", "chunk_method", "batch_size", "chunks_per_block", "block_size")


#: Where a file keeps the digest of its table.
_DIGEST = b"alb_digest"


def default_path() -> Path:
    """Where records go by default."""
    return own_place("records") / "epochs.parquet"


def load(path: Path) -> pa.Table:
    """Read a table of records, of this project or of others."""
    try:
        # Not read_table: that would take a directory, and the names of directories for columns.
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        written = (table.schema.metadata or {}).get(_DIGEST)
        whole = written is None or written == _digest(table)
    except FileNotFoundError as error:
        raise AlbError(f"no records at {path}: `alb data-loader` writes them") from error
    except Exception as error:  # a damaged file makes Arrow fail in many ways
        reason = one_line(error)
        raise AlbError(f"{path} is no parquet file, or another program is writing it: {reason}") from error
    if not whole:
        raise AlbError(
            f"{path} is not as it was written: restore it. A program that changes it on purpose writes the table after "
            "replace_schema_metadata(None)"
        )
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise AlbError(f"{path} is no table of epoch records: it has no column {', '.join(missing)}")
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise AlbError(f"{path} has more than one column {', '.join(repeated)}, expected one of each")
    columns = {name: _typed(table, name, kind, path) for name, kind in COLUMNS.items()}
    columns.update({name: table.column(name) for name in table.column_names if name not in COLUMNS})
    return pa.table(columns)


def append(path: Path, records: Sequence[Mapping[str, Any]]) -> int:
    """Append records; many processes may do so at once, and none loses another's.

    The file is written anew beside its place and moved into it, so a process that is killed loses its own records
    at most.
    """
    added = as_table(records)
    with locked(path.with_name(f".{path.name}.lock"), f"appending to {path}"):
        table = _joined(path, added)
        # Its digest is that of what a reader sees: some types come back as others.
        seen = pq.read_table(pa.BufferReader(_written(table)))
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), _DIGEST: _digest(seen)})
        write_atomically(path, _written(marked))
    return int(table.num_rows)


def require_appendable(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse, before minutes are spent on measuring, what :func:`append` would refuse; change nothing."""
    _joined(path, as_table([record]))
    place = next(parent for parent in path.absolute().parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise AlbError(f"cannot write {path}: {place} is no directory that may be written to")


def as_table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Table of records, with all of :data:`COLUMNS` and, as strings, whatever other names they have."""
    others = {name: None for record in records for name in record if name not in COLUMNS}
    kinds = {**COLUMNS, **dict.fromkeys(others, pa.string())}
    return pa.table(
        {name: pa.array([record.get(name) for record in records], type=kind) for name, kind in kinds.items()}
    )


def samples_per_second(table: pa.Table) -> pa.ChunkedArray:
    """Rows a second, float64; null where there is no time."""
    elapsed = table.column("elapsed")
    timed = pc.if_else(pc.greater(elapsed, 0.0), elapsed, None)
    return pc.divide(table.column("n_rows").cast(pa.float64()), timed)


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())


def _digest(table: pa.Table) -> bytes:
    """Digest of a table's names, types and values; page checksums cover the values alone."""
    digest = hashlib.sha256()
    for field, column in zip(table.schema, table.columns, strict=True):
        try:
            texts = column.cast(pa.string()).to_pylist()
        except pa.ArrowNotImplementedError:  # lists and such, in columns of others
            texts = [None if value is None else repr(value) for value in column.to_pylist()]
        digest.update(repr((field.name, str(field.type), texts)).encode())
    return digest.hexdigest().encode()


def _joined(path: Path, added: pa.Table) -> pa.Table:
    """Return what a file holds, if it is there, and new records after it."""
    tables = [load(path), added] if path.exists() else [added]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = one_line(error)
        raise AlbError(f"the new records do not fit the columns of {path}: {reason}") from error


def _typed(table: pa.Table, name: str, kind: pa.DataType, path: Path) -> pa.ChunkedArray:
    """A column of a table in the type that it has here."""
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, kind)])
    column = table.column(name)
    if pa.types.is_floating(column.type) and pa.types.is_integer(kind):
        # pandas makes floats of whole numbers where some are missing.
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AlbError(f"{path} has a column {name} of {column.type}, expected {kind}: {error}") from error
