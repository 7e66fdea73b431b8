"""Every kernel, compiled at once or loaded from where it was kept: before anything is measured, or waited for."""

from __future__ import annotations

import numpy as np

from alb_core import packed, row_runs


def warm() -> None:
    """Compile or load every kernel, for the arrays that it is called with: Arrow's, read-only, and sorted ones."""
    pages, links, used = np.zeros((4, 64), np.uint8), np.full(4, -1, np.int32), np.zeros(4, np.int32)
    none, order = np.empty(0, np.int32), np.zeros(1, np.int32)
    rows, columns, values = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, np.float32)
    for writeable in (True, False):
        streams = np.full((4, 1), -1, np.int32)
        for array in (rows, columns, values):
            array.flags.writeable = writeable
        bits = values.view(np.uint32)
        row_runs.mean_run(rows, columns)
        row_runs.by_row(rows, columns, bits, 0, np.zeros(1, np.int64))
        first = np.ones(1, np.int32)
        packed.pack(
            *(rows, columns, values, bits, 0, 0, first, none, 0, none, 1, 1),
            *(pages, links, used, streams, np.arange(4, dtype=np.int32), 4),
        )
    page = int(streams[0, 0])
    out, starts = np.empty((1, 1), np.float32), np.array([0, 0], np.int64)
    packed.unpack_dense(out, out.view(np.uint32), pages, links, used, page, order)
    packed.count_rows(starts[1:], pages, links, used, page)
    packed.unpack_csr(starts, np.empty(1, np.int64), out[0], out.view(np.uint32)[0], pages, links, used, page, order)
    packed.bytes_in(streams[0], links, used)
