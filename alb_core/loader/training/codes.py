"""Columns of obs as codes: whole numbers that stand for a column's categories, the same ones in every batch.

Several columns may have one code together, as a joint label: of ``("tissue", "sex")`` each pair of categories has one,
whether a row has it or not: where both are enumerations, it means the same in every selection of rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
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

#: Most codes of a joint label: a loss function has an output for each.
_MOST = 2**31

#: A column, or several that have one code together.
Label = str | tuple[str, ...]


def name_of(label: Label) -> str:
    """Name of a label's column in a batch: ``tissue+sex``."""
    return label if isinstance(label, str) else "+".join(label)


def columns_of(labels: Iterable[Label]) -> list[str]:
    """Columns of obs that labels are made of, each once."""
    return list(dict.fromkeys(name for label in labels for name in ((label,) if isinstance(label, str) else label)))


def values_of(label: Label, categories: Mapping[str, pa.Array]) -> tuple[Any, ...]:
    """What the codes of a label stand for, in their order."""
    if isinstance(label, str):
        return tuple(categories[label].to_pylist())
    return tuple(itertools.product(*(categories[name].to_pylist() for name in label)))


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


def categories_of_labels(dataframe: Any, labels: Sequence[Label], joinids: Int64) -> dict[str, pa.Array]:
    """Categories of the columns that labels are made of."""
    found = categories_of(dataframe, columns_of(labels), joinids)
    for label in labels:
        n = math.prod(len(found[name]) for name in columns_of([label]))
        if n > _MOST:
            raise AlbError(f"obs_codes has {name_of(label)}, which has {n:,} codes, expected at most {_MOST:,}")
    return found


def encode(
    table: pa.Table, columns: Sequence[str], labels: Sequence[Label], categories: Mapping[str, pa.Array]
) -> pa.Table:
    """Columns of a table as they are, then those of labels as codes."""
    if not labels:
        return table
    of_column: dict[str, Int64] = {}
    for name, values in categories.items():
        of_column[name] = np.concatenate([_codes(name, chunk, values) for chunk in table.column(name).chunks])
    table = table.select(["soma_joinid", *(name for name in columns if name != "soma_joinid")])
    for label in labels:
        table = table.append_column(name_of(label), pa.array(_joint(columns_of([label]), of_column, categories)))
    return table


def _joint(names: Sequence[str], of_column: Mapping[str, Int64], categories: Mapping[str, pa.Array]) -> Int64:
    """Codes of several columns together; of a row that lacks one of them none."""
    parts = [of_column[name] for name in names]
    found: Int64 = parts[0]
    for name, part in zip(names[1:], parts[1:], strict=True):
        found = found * len(categories[name]) + part
    return np.where(np.min(parts, axis=0) < 0, MISSING, found)


def codes(obs: pa.Table, label: Label) -> torch.Tensor:
    """One encoded column of a batch as a tensor, int64, shape (rows,): what a loss function takes as targets."""
    return torch.from_numpy(np.array(obs.column(name_of(label)).to_numpy(), dtype=np.int64))


def read_codes(dataframe: Any, column: str, joinids: Int64) -> Int64:
    """Codes of one column for all rows, int64, in the order of the joinids."""
    values = categories_of(dataframe, [column], joinids)
    table = soma.read_dataframe(dataframe, joinids, [column])
    encoded: Int64 = encode(table, [], [column], values).column(column).to_numpy()
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
