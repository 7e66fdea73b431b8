"""Obs and var of an experiment, read in the order of their joinids, in the batches that the writer takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base.errors import AlbError
from alb_core.datasets.content import columns_checksum, require_kinds
from alb_core.datasets.retry import Retry
from alb_core.loader.soma import joinids

Int64 = npt.NDArray[np.int64]

#: What the metadata of a table's schema say of a column that may hold nulls; the writer reads it.
NULLABLE = "nullable"

#: Joinids from here on are no numbers of rows; the writer's memory grows with the largest.
_MAX_JOINID = 1 << 28
#: Rows of a batch, which becomes a fragment.
_ROWS = 262_144


class TableReader:
    """Obs or var."""

    def __init__(self, frame: Any, what: str) -> None:
        if tuple(frame.index_column_names) != ("soma_joinid",):
            index = ", ".join(frame.index_column_names)
            raise AlbError(f"{what} at {frame.uri} is indexed by {index}, expected soma_joinid alone")
        require_kinds(frame.schema)
        self._frame = frame
        self.joinids = joinids(frame)
        last = int(self.joinids[-1]) if len(self.joinids) else -1
        if not 0 <= last < _MAX_JOINID:
            raise AlbError(f"{what} at {frame.uri} has soma_joinid up to {last}, expected 0 to {_MAX_JOINID - 1:,}")
        self.length = last + 1

    def plan(self, retry: Retry) -> tuple[pa.Schema, dict[str, pa.Array], str]:
        """Read it column by column: the schema to write, the dictionaries of its columns, and its checksum."""
        schema = self._frame.schema
        dictionaries: dict[str, pa.Array] = {}
        nulls: dict[str, int] = {}
        nans: dict[str, int] = {}

        def values(name: str) -> Iterator[pa.ChunkedArray]:
            kind = schema.field(name).type
            for table in self._read([name]):
                column = table.column(name)
                nulls[name] = nulls.get(name, 0) + column.null_count
                if pa.types.is_floating(kind):
                    nans[name] = nans.get(name, 0) + (pc.sum(pc.is_nan(column)).as_py() or 0)
                for chunk in column.chunks if pa.types.is_dictionary(kind) else ():
                    dictionaries[name] = merged_dictionary(dictionaries.get(name), chunk.dictionary)
                yield column

        checksum = retry.read(lambda: columns_checksum(schema, len(self.joinids), values), self._frame.uri)
        both = [name for name in schema.names if nulls.get(name) and nans.get(name)]
        if both:
            raise AlbError(f"{self._frame.uri} has both nulls and NaN in its column {', '.join(both)}, expected one")
        marked = {
            field.name: NULLABLE
            for field in schema
            # A column that may hold nulls and has NaN instead keeps its NaN by not being nullable.
            if nulls.get(field.name) or (field.nullable and not nans.get(field.name))
        }
        marked.pop("soma_joinid", None)
        return schema.with_metadata(marked), dictionaries, checksum

    def batches(self, schema: pa.Schema, dictionaries: Mapping[str, pa.Array]) -> Iterator[pa.RecordBatch]:
        """Rows in order, with the schema and the dictionaries of :meth:`plan`."""
        return merged_batches(self._read(schema.names), schema, dictionaries)

    def _read(self, names: list[str]) -> Iterator[pa.Table]:
        return iter(self._frame.read(column_names=names, result_order="row-major"))


def merged_batches(
    tables: Iterable[pa.Table], schema: pa.Schema, dictionaries: Mapping[str, pa.Array]
) -> Iterator[pa.RecordBatch]:
    """Merge small tables into batches of many rows, in which a column has the same dictionary everywhere."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(map(len, pending)) >= _ROWS:
            yield from _batch(pending, schema, dictionaries)
            pending = []
    yield from _batch(pending, schema, dictionaries)


def merged_dictionary(known: pa.Array | None, found: pa.Array) -> pa.Array:
    """Words in their order, then those that are new."""
    if known is None:
        return found
    return known if known.equals(found) else pa.concat_arrays([known, found.filter(pc.invert(pc.is_in(found, known)))])


def _batch(
    pending: list[pa.Table], schema: pa.Schema, dictionaries: Mapping[str, pa.Array]
) -> Iterator[pa.RecordBatch]:
    """Yield one batch of several tables; none where they have no rows."""
    if any(len(table) for table in pending):
        table = pa.concat_tables(pending, promote_options="permissive") if len(pending) > 1 else pending[0]
        columns = [_column(table.column(field.name), field, dictionaries.get(field.name)) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(column: pa.ChunkedArray, field: pa.Field, dictionary: pa.Array | None) -> pa.Array:
    """Give a column the type that it has in the dataset."""
    values = column.combine_chunks()
    values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
    if not pa.types.is_dictionary(field.type):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    codes = pc.index_in(values, dictionary).cast(field.type.index_type)
    return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=field.type.ordered)
