"""Packing and unpacking against a plain dictionary of cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb_core.loader.packing import kernels, lookup
from alb_core.loader.packing import pages as pages_module
from alb_core.loader.packing.pages import ClosedError, Pool, PoolFullError

VALUES = st.one_of(
    st.integers(1, 400).map(np.float32),
    st.sampled_from([254.0, 255.0, 256.0, 0.0, 0.5, -1.0, -0.0, 1e30, float("inf"), 254.5]).map(np.float32),
    st.floats(width=32, allow_nan=False),
)


@st.composite
def matrices(draw):
    """Cells by (row, column), the rows' order of handing out (some twice), the columns', and the entries' order."""
    rows = draw(st.lists(st.integers(0, 2000), min_size=1, max_size=12, unique=True))
    columns = draw(st.lists(st.integers(0, 70_000), min_size=1, max_size=12, unique=True))
    cells = draw(st.dictionaries(st.tuples(st.sampled_from(rows), st.sampled_from(columns)), VALUES, max_size=80))
    order = rows + draw(st.lists(st.sampled_from(rows), max_size=5))
    entries = sorted(cells) if draw(st.booleans()) else draw(st.permutations(sorted(cells)))
    return cells, np.array(draw(st.permutations(order))), np.array(draw(st.permutations(columns))), entries


def pack(cells, places, ranks, entries, batch_size, pool, started):
    rows = places.slots(np.array([row for row, _ in entries], dtype=np.int64))
    columns = ranks.slots(np.array([column for _, column in entries], dtype=np.int64))
    values = np.array([cells[entry] for entry in entries], dtype=np.float32)
    start, reserved = 0, np.empty(0, np.int32)
    while start < len(rows):
        start, left, needed = kernels.pack(
            *(rows, columns, values, values.view(np.uint32), start),
            *(places.low, places.first, places.following, ranks.low, ranks.ranks, ranks.n, batch_size),
            *(pool.pages, pool.next_page, pool.used, started.table, reserved, len(reserved)),
        )
        assert needed >= 0
        reserved = np.concatenate([reserved[:left], pool.take(needed, needed)])


@settings(deadline=None, max_examples=200)
@given(matrices(), st.integers(1, 7), st.integers(0, 3), st.sampled_from([2**28, 1]))
def test_what_is_unpacked_is_what_was_packed(matrix, batch_size, base, span):
    cells, order, columns, entries = matrix
    most, lookup.MAX_SPAN = lookup.MAX_SPAN, span
    try:
        places, ranks = lookup.Places(order, base), lookup.ColumnRanks(columns)
        pool = Pool(2**20, 64)
        started = pages_module.none().continued(pool, -(-(base + len(order)) // batch_size))
        half = len(entries) // 2
        # Two tables: a run that goes on in the second one.
        pack(cells, places, ranks, entries[:half], batch_size, pool, started)
        pack(cells, places, ranks, entries[half:], batch_size, pool, started)
    finally:
        lookup.MAX_SPAN = most
    dense, sparse = [], []
    for page in started.first_page:
        out = np.full((batch_size, len(columns)), 7, dtype=np.float32)
        chain = (pool.pages, pool.next_page, pool.used, page)
        kernels.unpack_dense(out, out.view(np.uint32), *chain, ranks.order)
        dense.append(out)
        starts = np.zeros(batch_size + 1, dtype=np.int64)
        kernels.count_rows(starts[1:], *chain)
        starts = np.cumsum(starts)
        indices, values = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.float32)
        kernels.unpack_csr(starts, indices, values, values.view(np.uint32), *chain, ranks.order)
        for row in range(batch_size):
            part = slice(starts[row], starts[row + 1])
            assert (np.diff(indices[part]) > 0).all()
            sparse.append(dict(zip(indices[part].tolist(), values[part].tolist(), strict=True)))
    expected = [[cells.get((row, column), np.float32(0)) for column in columns.tolist()] for row in order.tolist()]
    np.testing.assert_array_equal(np.concatenate(dense)[base : base + len(order)], np.array(expected))
    for row, found in zip(order.tolist(), sparse[base:], strict=False):
        assert found == {i: cells[row, column] for i, column in enumerate(columns.tolist()) if (row, column) in cells}


def test_counts_of_one_row_take_two_bytes():
    pool = Pool(2**20, 2**12)
    columns = np.arange(0, 20_000, 7)
    started = pages_module.none().continued(pool, 1)
    cells = {(5, column): np.float32(3) for column in columns.tolist()}
    places, ranks = lookup.Places(np.array([5])), lookup.ColumnRanks(np.arange(20_000))
    pack(cells, places, ranks, sorted(cells), 1, pool, started)
    used = kernels.bytes_in(started.first_page, pool.next_page, pool.used)
    # A jump (nine bytes in place of one) at the beginning of each page.
    assert used == 2 * len(columns) + 8 * 2


def test_entries_that_nobody_asked_for_are_told():
    pool = Pool(2**20, 2**12)
    one = np.array([1.0], np.float32)
    places, ranks = lookup.Places(np.array([5, 9])), lookup.ColumnRanks(np.array([2, 4]))

    def ask(row, column):
        return kernels.pack(
            *(np.array([row]), np.array([column]), one, one.view(np.uint32), 0),
            *(places.low, places.first, places.following, ranks.low, ranks.ranks, ranks.n, 10),
            *(pool.pages, pool.next_page, pool.used, pages_module.none().table, np.arange(4, dtype=np.int32), 4),
        )

    assert ask(5, 4)[2] == 0
    assert [ask(row, 2)[2] for row in (4, 7, 10)] == [kernels.UNKNOWN_ROW] * 3
    assert [ask(9, column)[2] for column in (1, 3, 5)] == [kernels.UNKNOWN_COLUMN] * 3


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(3, 9), st.integers(0, 50)), max_size=60))
def test_sorting_by_row_keeps_the_order_inside_each(entries):
    rows, columns = (np.array([entry[i] for entry in entries], dtype=np.int64) for i in (0, 1))
    bits = np.arange(len(entries), dtype=np.uint32)
    found = kernels.by_row(rows, columns, bits, 3, np.zeros(7, np.int64))
    by_row = np.argsort(rows, kind="stable")
    for got, was in zip(found, (rows, columns, bits), strict=True):
        np.testing.assert_array_equal(got, was[by_row])
    runs = sum(
        i == 0 or entries[i][0] != entries[i - 1][0] or entries[i][1] <= entries[i - 1][1] for i in range(len(entries))
    )
    assert kernels.mean_run(rows, columns) == (len(entries) / runs if runs else 0)


def pages_of(pool, started):
    pages = set()
    for page in started.first_page.tolist():
        while page >= 0:
            pages.add(page)
            page = int(pool.next_page[page])
    return pages


def test_what_a_group_wrote_can_be_undone():
    pool = Pool(64 * 50, 64)
    places, ranks = lookup.Places(np.array([1, 2, 3])), lookup.ColumnRanks(np.arange(100))
    cells = {(row, column): np.float32(9) for row in (1, 2, 3) for column in range(0, 100, 3)}
    first = pages_module.none().continued(pool, 1)
    pack(cells, places, ranks, [entry for entry in sorted(cells) if entry[0] == 1], 10, pool, first)
    before, held = first.table.copy(), pages_of(pool, first)
    second = first.continued(pool, 2)
    again = lookup.Places(np.array([2, 3]), 9)
    pack(cells, again, ranks, [entry for entry in sorted(cells) if entry[0] > 1], 10, pool, second)
    assert second.bytes_added(pool) > 64
    written = pages_of(pool, second) - held
    free = set(pool._free)
    second.undo(pool, first)
    assert set(pool._free) - free == written
    np.testing.assert_array_equal(first.table, before)
    out = np.empty((10, 100), np.float32)
    kernels.unpack_dense(
        out, out.view(np.uint32), pool.pages, pool.next_page, pool.used, first.first_page[0], ranks.order
    )
    assert out.sum() == 9 * 34 and out[0].sum() == out.sum()


def test_a_pool_gives_no_more_than_it_has():
    pool = Pool(1000, 100)
    taken = pool.take(4, 8)
    assert len(taken) == 8 and len(set(taken.tolist())) == 8
    with pytest.raises(PoolFullError):
        pool.take(3, 3)
    pool.next_page[taken[0]] = taken[1]
    pool.drop_chain(int(taken[0]))
    assert sorted(pool.take(4, 9).tolist()) == sorted([8, 9, *taken[:2].tolist()])
    pool.close()
    with pytest.raises(ClosedError):
        pool.take(1, 1)
    pool.reset()
    assert len(pool.take(10, 10)) == 10
