"""Cells packed for their batches: two bytes a count, where an Arrow table takes twenty.

Each batch has a stream of bytes, a chain of pages out of one pool (:mod:`alb_core.loader.packing.pages`). In a
stream, a value is the distance of its column to the one before it (1 to 254), and the value itself where it is a whole
number up to 254; ``_JUMP`` stands before a new row and column (4 bytes each), ``_WIDE`` before a float32 (4 bytes).
TileDB returns cells in runs of one row with ascending columns, so that nearly all counts take two bytes.

The kernels are compiled by numba and release Python's lock: packing, unpacking and reading run beside each other.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

#: In place of a column's distance: a row and a column follow, 4 bytes each.
_JUMP = 0
#: The largest distance between two columns of a run.
_FAR = 254
#: In place of a value: the bits of a float32 follow, 4 bytes.
_WIDE = 255
#: Bytes that one value takes at most: jump, row, column, value's mark, float32.
LARGEST = 1 + 4 + 4 + 1 + 4

#: What :func:`pack` needs, where an entry is of a row or column that was not asked for.
UNKNOWN_ROW = -1
UNKNOWN_COLUMN = -2


def kernel(function: Any) -> Any:
    """Decorator: compiled once, kept on disk, without Python's lock."""
    try:
        return numba.njit(nogil=True, cache=True, boundscheck=False)(function)
    except RuntimeError:  # no place for a cache
        _mention_no_cache()
        return numba.njit(nogil=True, boundscheck=False)(function)


@cache
def _mention_no_cache() -> None:
    warnings.warn(
        "the kernels of method numba are compiled anew in this process, which takes seconds: set NUMBA_CACHE_DIR to a "
        "directory that may be written to",
        stacklevel=3,
    )


@kernel
def _put32(stream: Any, at: int, number: int) -> None:
    stream[at] = number & 255
    stream[at + 1] = (number >> 8) & 255
    stream[at + 2] = (number >> 16) & 255
    stream[at + 3] = (number >> 24) & 255


@kernel
def _get32(stream: Any, at: int) -> Any:
    return (
        np.uint32(stream[at])
        | (np.uint32(stream[at + 1]) << np.uint32(8))
        | (np.uint32(stream[at + 2]) << np.uint32(16))
        | (np.uint32(stream[at + 3]) << np.uint32(24))
    )


@kernel
def pack(
    rows: Int64,
    columns: Int64,
    values: npt.NDArray[np.float32],
    bits: npt.NDArray[np.uint32],
    start: int,
    low_row: int,
    first_place: Int32,
    next_place: Int32,
    low_column: int,
    column_ranks: Int32,
    n_columns: int,
    batch_size: int,
    pool: UInt8,
    next_page: Int32,
    used: Int32,
    streams: Int32,
    reserved: Int32,
    n_reserved: int,
) -> tuple[int, int, int]:
    """Append entries of an Arrow table, from ``start`` on, to the streams of their batches.

    Returns the entry to go on with, the reserved pages that are left, and the pages that are needed to go on: 0 at the
    end, or :data:`UNKNOWN_ROW` or :data:`UNKNOWN_COLUMN`.
    """
    n = rows.shape[0]
    page_size = pool.shape[1]
    first_page, last_page, last_row, last_column = streams[0], streams[1], streams[2], streams[3]
    i = start
    while i < n:
        row = rows[i]
        j = i + 1
        while j < n and rows[j] == row:
            j += 1
        slot = row - low_row
        if slot < 0 or slot >= first_place.shape[0] or first_place[slot] == 0:
            return i, n_reserved, UNKNOWN_ROW
        place = np.int64(first_place[slot]) - 1
        copies = 0
        while place >= 0:
            copies += 1
            place = np.int64(next_place[place]) if next_place.shape[0] else np.int64(-1)
        # One page more for the one begun, one for what does not fill a page.
        needed = copies * ((j - i) * LARGEST // (page_size - LARGEST) + 2)
        if n_reserved < needed:
            return i, n_reserved, needed
        place = np.int64(first_place[slot]) - 1
        while place >= 0:
            stream = place // batch_size
            in_batch = place - stream * batch_size
            page = last_page[stream]
            at = used[page] if page >= 0 else page_size
            at_row = last_row[stream]
            at_column = last_column[stream]
            for k in range(i, j):
                column = columns[k] - low_column
                if column_ranks.shape[0]:
                    if column < 0 or column >= column_ranks.shape[0] or column_ranks[column] < 0:
                        return k, n_reserved, UNKNOWN_COLUMN
                    column = np.int64(column_ranks[column])
                elif column < 0 or column >= n_columns:
                    return k, n_reserved, UNKNOWN_COLUMN
                if at + LARGEST > page_size:
                    n_reserved -= 1
                    fresh = reserved[n_reserved]
                    next_page[fresh] = -1
                    if page >= 0:
                        next_page[page] = fresh
                        used[page] = at
                    else:
                        first_page[stream] = fresh
                    page = fresh
                    last_page[stream] = fresh
                    at = 0
                    at_row = -1
                distance = column - at_column
                if at_row == in_batch and distance >= 1 and distance <= _FAR:
                    pool[page, at] = distance
                    at += 1
                else:
                    pool[page, at] = _JUMP
                    _put32(pool[page], at + 1, in_batch)
                    _put32(pool[page], at + 5, column)
                    at += 9
                    at_row = in_batch
                at_column = column
                value = values[k]
                count = np.uint8(value) if value >= 0 and value < _WIDE else np.uint8(_WIDE)
                if count != _WIDE and np.float32(count) == value:
                    pool[page, at] = count
                    at += 1
                else:
                    pool[page, at] = _WIDE
                    _put32(pool[page], at + 1, bits[k])
                    at += 5
            used[page] = at
            last_row[stream] = at_row
            last_column[stream] = at_column
            place = np.int64(next_place[place]) if next_place.shape[0] else np.int64(-1)
        i = j
    return i, n_reserved, 0


@kernel
def unpack_dense(
    out: npt.NDArray[np.float32],
    out_bits: npt.NDArray[np.uint32],
    pool: UInt8,
    next_page: Int32,
    used: Int32,
    page: int,
    order: Int32,
) -> None:
    """Write a stream into ``out``, shape (rows, columns); ``order`` is empty where columns keep their order.

    Values of one place add up.
    """
    out[:] = 0
    row = np.int64(0)
    column = np.int64(0)
    while page >= 0:
        stream = pool[page]
        at = 0
        end = used[page]
        while at < end:
            distance = stream[at]
            if distance == _JUMP:
                row = np.int64(_get32(stream, at + 1))
                column = np.int64(_get32(stream, at + 5))
                at += 9
            else:
                column += distance
                at += 1
            place = np.int64(order[column]) if order.shape[0] else column
            value = stream[at]
            if value == _WIDE:
                before = out[row, place]
                out_bits[row, place] = _get32(stream, at + 1)
                if before != 0:
                    out[row, place] += before
                at += 5
            else:
                out[row, place] += value
                at += 1
        page = next_page[page]


@kernel
def count_rows(counts: Int64, pool: UInt8, next_page: Int32, used: Int32, page: int) -> None:
    """Add the entries of each row of a stream to ``counts``, int64, shape (rows,)."""
    row = np.int64(0)
    while page >= 0:
        stream = pool[page]
        at = 0
        end = used[page]
        while at < end:
            if stream[at] == _JUMP:
                row = np.int64(_get32(stream, at + 1))
                at += 9
            else:
                at += 1
            counts[row] += 1
            at += 5 if stream[at] == _WIDE else 1
        page = next_page[page]


@kernel
def unpack_csr(
    starts: Int64,
    columns: Int64,
    values: npt.NDArray[np.float32],
    value_bits: npt.NDArray[np.uint32],
    pool: UInt8,
    next_page: Int32,
    used: Int32,
    page: int,
    order: Int32,
) -> int:
    """Write a stream as a CSR matrix with ascending columns; ``starts``, int64, shape (rows + 1,), is given.

    Values of one place add up, and ``starts`` says where rows are then. Returns how many entries there are.
    """
    ends = starts[:-1].copy()
    row = np.int64(0)
    column = np.int64(0)
    while page >= 0:
        stream = pool[page]
        at = 0
        end = used[page]
        while at < end:
            distance = stream[at]
            if distance == _JUMP:
                row = np.int64(_get32(stream, at + 1))
                column = np.int64(_get32(stream, at + 5))
                at += 9
            else:
                column += distance
                at += 1
            k = ends[row]
            ends[row] = k + 1
            columns[k] = np.int64(order[column]) if order.shape[0] else column
            value = stream[at]
            if value == _WIDE:
                value_bits[k] = _get32(stream, at + 1)
                at += 5
            else:
                values[k] = value
                at += 1
        page = next_page[page]
    kept = np.int64(0)
    for k in range(starts.shape[0] - 1):
        first, last = starts[k], starts[k + 1]
        ascending = True
        for i in range(first + 1, last):
            if columns[i] <= columns[i - 1]:
                ascending = False
                break
        starts[k] = kept
        if ascending and kept == first:
            kept = last
            continue
        if not ascending:
            by_column = np.argsort(columns[first:last])
            columns[first:last] = columns[first:last][by_column]
            value_bits[first:last] = value_bits[first:last][by_column]
        for i in range(first, last):
            if i > first and columns[i] == columns[kept - 1]:
                values[kept - 1] += values[i]
            else:
                columns[kept], value_bits[kept] = columns[i], value_bits[i]
                kept += 1
    starts[-1] = kept
    return int(kept)


@kernel
def bytes_in(first_pages: Int32, next_page: Int32, used: Int32) -> int:
    """Bytes used of all pages of some streams, by their first pages."""
    total = 0
    for i in range(first_pages.shape[0]):
        page = first_pages[i]
        while page >= 0:
            total += used[page]
            page = next_page[page]
    return total


@kernel
def by_row(
    rows: Int64, columns: Int64, bits: npt.NDArray[np.uint32], low_row: int, counts: Int64
) -> tuple[Int64, Int64, npt.NDArray[np.uint32]]:
    """Sort entries by row, keeping the order inside each (a counting sort)."""
    n = rows.shape[0]
    for i in range(n):
        counts[rows[i] - low_row] += 1
    total = np.int64(0)
    for i in range(counts.shape[0]):
        total, counts[i] = total + counts[i], total
    sorted_rows = np.empty_like(rows)
    sorted_columns = np.empty_like(columns)
    sorted_bits = np.empty_like(bits)
    for i in range(n):
        slot = rows[i] - low_row
        k = counts[slot]
        counts[slot] = k + 1
        sorted_rows[k] = rows[i]
        sorted_columns[k] = columns[i]
        sorted_bits[k] = bits[i]
    return sorted_rows, sorted_columns, sorted_bits


@kernel
def mean_run(rows: Int64, columns: Int64) -> float:
    """Mean length of the runs of one row with ascending columns; 0 for no entries."""
    runs = 0
    for i in range(rows.shape[0]):
        if i == 0 or rows[i] != rows[i - 1] or columns[i] <= columns[i - 1]:
            runs += 1
    return rows.shape[0] / runs if runs else 0.0


def compile_all() -> None:
    """Compile or load every kernel for the arrays that it will be given: Arrow's, read-only, and sorted ones."""
    pages, links, used = np.zeros((4, 64), np.uint8), np.full(4, -1, np.int32), np.zeros(4, np.int32)
    none, order = np.empty(0, np.int32), np.zeros(1, np.int32)
    rows, columns, values = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, np.float32)
    for writeable in (True, False):
        streams = np.full((4, 1), -1, np.int32)
        for array in (rows, columns, values):
            array.flags.writeable = writeable
        bits = values.view(np.uint32)
        mean_run(rows, columns)
        by_row(rows, columns, bits, 0, np.zeros(1, np.int64))
        first = np.ones(1, np.int32)
        pack(
            *(rows, columns, values, bits, 0, 0, first, none, 0, none, 1, 1),
            *(pages, links, used, streams, np.arange(4, dtype=np.int32), 4),
        )
    page = int(streams[0, 0])
    out, starts = np.empty((1, 1), np.float32), np.array([0, 0], np.int64)
    unpack_dense(out, out.view(np.uint32), pages, links, used, page, order)
    count_rows(starts[1:], pages, links, used, page)
    unpack_csr(starts, np.empty(1, np.int64), out[0], out.view(np.uint32)[0], pages, links, used, page, order)
    bytes_in(streams[0], links, used)
