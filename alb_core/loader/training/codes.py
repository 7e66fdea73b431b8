"""Columns of obs as codes: whole numbers that stand for a column's categories, the same ones in every batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from alb_core.base.errors import AlbError
from alb_core.loader import soma

Int64 = npt.NDArray[np.int64]

#: Code of a row that has no value.
MISSING = -1


def categories_of(dataframe: Any, columns: Sequence[str], joinids: Int64) -> dict[str, pa.Array]:
    """Categories of columns of obs, in the order of their codes."""
    types = {name: dataframe.schema.field(name).type for name in columns}
    for name, kind in types.items():
        known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean)
        if not pa.types.is_dictionary(kind) and not any(is_known(kind) for is_known in known):
            raise AlbError(f"column {name} of obs is {kind}, expected text, whole numbers or booleans to be encoded")
    enumerated = [name for name, kind in types.items() if pa.types.is_dictionary(kind)]
    found = {}
    if enumerated:
        # Every release returns the whole enumeration with any row.
        row = soma.read_dataframe(dataframe, joinids[:1], enumerated)
        found = {name: row.column(name).chunk(0).dictionary for name in enumerated}
    for name in columns:
        if name not in found:
            values = pc.unique(soma.read_dataframe(dataframe, joinids, [name]).column(name)).drop_null()
            found[name] = pa.array(sorted(values.to_pylist()), values.type)
    return {name: found[name] for name in columns}


def encode(table: pa.Table, categories: Mapping[str, pa.Array]) -> pa.Table:
    """Put codes into the places of columns."""
    for name, values in categories.items():
        column = table.column(name)
        codes = pa.chunked_array([pa.array(_codes(name, chunk, values)) for chunk in column.chunks], pa.int64())
        table = table.set_column(table.column_names.index(name), name, codes)
    return table


def codes(obs: pa.Table, column: str) -> torch.Tensor:
    """One encoded column of a batch as a tensor, int64, shape (rows,): what a loss function takes as targets."""
    return torch.from_numpy(np.array(obs.column(column).to_numpy(), dtype=np.int64))


def read_codes(dataframe: Any, column: str, joinids: Int64) -> Int64:
    """Codes of one column for all rows, int64, in the order of the joinids."""
    values = categories_of(dataframe, [column], joinids)
    encoded: Int64 = encode(soma.read_dataframe(dataframe, joinids, [column]), values).column(column).to_numpy()
    return encoded


def _codes(name: str, values: pa.Array, categories: pa.Array) -> Int64:
    if not pa.types.is_dictionary(values.type):
        return _found(name, values, categories)
    # The words of a table may be fewer, or in another order, than those of the enumeration.
    known = np.append(_found(name, values.dictionary.cast(categories.type), categories), MISSING)
    indices = values.indices.cast(pa.int64()).fill_null(MISSING).to_numpy()
    # Old releases return rows without a value not as nulls, but as the lowest index that there is.
    return known[np.where((indices >= 0) & (indices < len(known) - 1), indices, len(known) - 1)]


def _found(name: str, values: pa.Array, categories: pa.Array) -> Int64:
    """Positions of values among the categories; of nulls -1."""
    found = pc.index_in(values, value_set=categories)
    if found.null_count != values.null_count:
        unknown = values.filter(pc.and_(found.is_null(), values.is_valid()))[0].as_py()
        raise AlbError(f"column {name} of obs has {unknown!r}, which is not among its {len(categories)} categories")
    codes: Int64 = found.cast(pa.int64()).fill_null(MISSING).to_numpy()
    return codes
