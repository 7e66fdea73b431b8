"""The streaming pipeline (method ``numba``): blocks -> packed cells -> batches, each stage in a thread of its own.

Tables are packed as TileDB returns them, so no block ever exists as an Arrow table. Several blocks are read together
where memory allows: chunks of different blocks that lie in one tile then unpack it once. Blocks in stored order share
no tiles, so they are read in parts, one after another without a pause. Neither changes which rows are in a batch.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from alb_core.base.errors import AlbError
from alb_core.loader.experiment import OpenExperiment
from alb_core.loader.memory_budget import MemoryCap
from alb_core.loader.order import Block
from alb_core.loader.packing import kernels
from alb_core.loader.packing import pages as streams_of
from alb_core.loader.packing.kernels import compile_all
from alb_core.loader.packing.lookup import ColumnRanks, Places
from alb_core.loader.packing.pages import ClosedError, Pool, PoolFullError, Streams
from alb_core.loader.prefetch import prefetched, wait_for_threads
from alb_core.loader.stage_times import StageTimes

#: References to a free array: the list's, the loop's and that of ``getrefcount``.
_FREE_REFERENCES = 3

#: Most arrays that are used again. A consumer that keeps more batches gets fresh memory for each.
_MAX_ARRAYS = 4


class BatchBuffers:
    """Float32 arrays of one shape, each used again when its last tensor is gone.

    Fresh pages of memory cost more than what is written into them.
    A tensor over a numpy array holds a reference to it as long as any view of the tensor lives, so a batch that the
    consumer keeps is never written to.
    """

    def __init__(self, n_rows: int, n_columns: int, *, pin: bool = False) -> None:
        self._shape = (n_rows, n_columns)
        self._pin = pin
        self._arrays: list[npt.NDArray[np.float32]] = []

    def take(self, n_rows: int) -> torch.Tensor:
        """Return a tensor of float32 of some rows, shape (n_rows, columns), whose values are whatever they are."""
        if self._pin:
            return torch.empty((n_rows, self._shape[1]), dtype=torch.float32, pin_memory=True)
        return torch.from_numpy(self._free()[:n_rows])

    def _free(self) -> npt.NDArray[np.float32]:
        for array in self._arrays:
            if sys.getrefcount(array) == _FREE_REFERENCES:
                return array
        array = np.empty(self._shape, dtype=np.float32)
        if len(self._arrays) < _MAX_ARRAYS:
            self._arrays.append(array)
        return array


Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

#: Pages that the packing thread asks for at once, where they are less than a part of all.
_PAGES = 64
_PART = 64

#: Shorter runs of one row's ascending columns than this are sorted by row first: else each entry needs a jump.
_SHORT_RUN = 8
_SAMPLE = 4096

#: How much more room a group of blocks is planned with than its rows take on average.
_MARGIN = 1.05

#: Rows of a part of a block in stored order. Of a Census, 2,048 rows or several times that begin and end with a tile;
#: fewer at once cost more queries, and more of them come later. The first part is smaller, and each next one twice as
#: large, up to this: the stages behind have something to do sooner.
_PART_ROWS = 8192
_FIRST_ROWS = 2048


@dataclass(frozen=True)
class _PackedBatch:
    """A complete batch, packed: the first page of its stream, and the rows of obs."""

    first_page: int
    obs: pa.Table


class _BatchCutter:
    """Cuts what was packed up to now into batches, and keeps the batch that is begun."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.streams = streams_of.none()
        self.filled = 0
        self._obs: list[pa.Table] = []

    def add(self, streams: Streams, obs: pa.Table) -> list[_PackedBatch]:
        """Return the batches that are complete with rows packed into streams that continue those before."""
        table = pa.concat_tables([*self._obs, obs])
        starts = range(0, table.num_rows - self._batch_size + 1, self._batch_size)
        self.filled = table.num_rows - len(starts) * self._batch_size
        self._obs = [table.slice(table.num_rows - self.filled)] if self.filled else []
        self.streams = streams if self.filled else streams_of.none()
        return [
            _PackedBatch(int(page), table.slice(start, self._batch_size))
            for page, start in zip(streams.first_page, starts, strict=False)
        ]

    def rest(self, drop: bool) -> list[_PackedBatch]:
        """Return the batch that is begun, if there is one, unless it is to be dropped."""
        return [_PackedBatch(int(self.streams.first_page[-1]), self._obs[0])] if self.filled and not drop else []


class StreamingPipeline:
    """Runs one epoch at a time; the next one uses its memory again."""

    def __init__(
        self,
        opened: OpenExperiment,
        *,
        batch_size: int,
        drop_last: bool,
        packed_bytes: int,
        block_rows: int,
        max_memory: int | None = None,
        pin: bool = False,
        sparse: bool = False,
    ) -> None:
        self._opened = opened
        self._columns = ColumnRanks(opened.columns)
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._times = StageTimes()
        self._memory_cap = MemoryCap(max_memory)
        self._sparse = sparse
        self._buffers = BatchBuffers(batch_size, len(opened.columns), pin=pin)
        # numba takes half a second to load kernels from disk: here, beside a read, and not before the first batch.
        with ThreadPoolExecutor(1) as beside:
            loaded = beside.submit(compile_all)
            self._row_bytes = opened.packed_row_bytes
            loaded.result()
        if block_rows * self._row_bytes > packed_bytes:
            raise _too_large(block_rows, packed_bytes)
        self._pool = Pool(packed_bytes, _page_size(batch_size * self._row_bytes))
        self._reserved: Int32 = np.empty(0, dtype=np.int32)

    def batches(
        self, blocks: Iterator[Block], times: StageTimes
    ) -> Generator[tuple[torch.Tensor, pa.Table], None, None]:
        """Batches of the blocks, in order; seconds are noted in ``times``, and the threads end with the iteration."""
        self._times = times
        wait_for_threads()
        self._pool.reset()
        self._reserved = self._reserved[:0]
        first = next(blocks, None)
        if first is None:
            return prefetched(())
        blocks = itertools.chain([first], blocks)
        groups = prefetched(self._parts(blocks) if _in_order(first) else self._groups(blocks), stop=self._pool.close)
        return prefetched(self._unpacked(groups), stop=self._pool.close)

    # -- packing -------------------------------------------------------------------------------------------------

    def _parts(self, blocks: Iterator[Block]) -> Generator[list[_PackedBatch], None, None]:
        """Batches that each part of blocks in stored order completes; the next part is read while one is packed."""
        cutter = _BatchCutter(self._batch_size)
        with contextlib.suppress(ClosedError), contextlib.closing(prefetched(self._read(blocks))) as read:
            while (joinids := next(read, None)) is not None:
                try:
                    streams, obs = self._pack(joinids, cutter.streams, cutter.filled, read)
                except PoolFullError:
                    raise _too_large(len(joinids), self._pool.pages.size) from None
                yield self._lent(cutter.add(streams, obs))
            yield self._lent(cutter.rest(self._drop_last))

    def _read(self, blocks: Iterator[Block]) -> Generator[Any, None, None]:
        """Joinids of each part of blocks in stored order, then its tables, then None."""
        most = _FIRST_ROWS
        for block in blocks:
            start = 0
            while start < len(block):
                part = block.joinids[start : start + most]
                start, most = start + most, min(_PART_ROWS, 2 * most)
                yield part
                yield from self._opened.tables(np.unique(part))
                yield None

    def _groups(self, blocks: Iterator[Block]) -> Generator[list[_PackedBatch], None, None]:
        """Batches that each group of blocks completes."""
        cutter = _BatchCutter(self._batch_size)
        waiting: list[Block] = []
        most = 1
        with contextlib.suppress(ClosedError):
            while True:
                group, waiting = self._next_group(waiting, blocks, most)
                if not group:
                    break
                joinids = np.concatenate([block.joinids for block in group])
                try:
                    with contextlib.closing(prefetched(self._opened.tables(np.unique(joinids)))) as tables:
                        streams, obs = self._pack(joinids, cutter.streams, cutter.filled, tables)
                except PoolFullError:
                    if len(group) == 1:
                        raise _too_large(len(group[0]), self._pool.pages.size) from None
                    most, waiting = len(group) // 2, group + waiting
                    self._row_bytes = self._pool.pages.size / sum(map(len, group))
                    continue
                most = 2 * len(group)
                yield self._lent(cutter.add(streams, obs))
            yield self._lent(cutter.rest(self._drop_last))

    def _lent(self, batches: list[_PackedBatch]) -> list[_PackedBatch]:
        """Note that the pages of these batches go to the consumer."""
        self._pool.lend(len(batches))
        return batches

    def _next_group(self, waiting: list[Block], blocks: Iterator[Block], most: int) -> tuple[list[Block], list[Block]]:
        """Return the blocks to read together next, and those drawn beyond them.

        All that is left, if the memory holds it at once. Else one block, and from then on twice as many each time, so
        that the first batches come soon; up to half of the memory, so that the consumer has the other half meanwhile.
        """
        drawn = list(waiting)
        # Each batch leaves the end of a page empty.
        room = int(self._pool.pages.size / (_MARGIN * self._row_bytes + self._pool.pages.shape[1] / self._batch_size))
        n_rows = sum(map(len, drawn))
        while n_rows <= room and (block := next(blocks, None)) is not None:
            drawn.append(block)
            n_rows += len(block)
        if n_rows <= room:
            return drawn, []
        ends = itertools.accumulate(map(len, drawn))
        together = max(1, min(most, sum(end <= room // 2 for end in ends)))
        return drawn[:together], drawn[together:]

    def _pack(
        self, joinids: Int64, begun: Streams, filled: int, tables: Iterator[pa.Table | None]
    ) -> tuple[Streams, pa.Table]:
        """Pack tables of some rows, up to None, into streams; the first of them, begun earlier, holds some rows."""
        places = Places(joinids, filled)
        streams = begun.continued(self._pool, -(-(filled + len(joinids)) // self._batch_size))
        try:
            with self._times.measure("reading"):
                obs = self._opened.obs(joinids)
            while True:
                with self._times.measure("reading"):
                    table = next(tables, None)
                if table is None:
                    break
                with self._times.measure("converting"):
                    self._pack_table(table, places, streams)
                    self._memory_cap.keep()
                del table
        except PoolFullError:
            streams.undo(self._pool, begun)
            raise
        self._row_bytes = max(1.0, streams.bytes_added(self._pool) / len(joinids))
        return streams, obs

    def _pack_table(self, table: pa.Table, places: Places, streams: Streams) -> None:
        pool, ranks = self._pool, self._columns
        spare = min(_PAGES, len(pool.pages) // _PART)
        for batch in table.select(["soma_dim_0", "soma_dim_1", "soma_data"]).to_batches():
            rows, columns, values = (batch.column(i).to_numpy(zero_copy_only=False) for i in range(3))
            values = np.ascontiguousarray(values, dtype=np.float32)
            rows, columns, bits = places.slots(rows), ranks.slots(columns), values.view(np.uint32)
            if kernels.mean_run(rows[:_SAMPLE], columns[:_SAMPLE]) < _SHORT_RUN:
                rows, columns, bits = kernels.by_row(rows, columns, bits, places.low, np.zeros(places.span, np.int64))
                values = bits.view(np.float32)
            start = 0
            while start < len(rows):
                start, left, needed = kernels.pack(
                    rows,
                    columns,
                    values,
                    bits,
                    start,
                    places.low,
                    places.first,
                    places.following,
                    ranks.low,
                    ranks.ranks,
                    ranks.n,
                    self._batch_size,
                    pool.pages,
                    pool.next_page,
                    pool.used,
                    streams.table,
                    self._reserved,
                    len(self._reserved),
                )
                self._reserved = self._reserved[:left]
                if needed < 0:
                    what = f"row {rows[start]}" if needed == kernels.UNKNOWN_ROW else f"column {columns[start]}"
                    raise AlbError(f"X was read with an entry in {what}, which was not asked for")
                if needed:
                    self._reserved = np.concatenate([self._reserved, pool.take(needed, needed + spare)])

    # -- unpacking -----------------------------------------------------------------------------------------------

    def _unpacked(self, groups: Generator[list[_PackedBatch], None, None]) -> Generator[Any, None, None]:
        with contextlib.closing(groups):
            for batch in itertools.chain.from_iterable(groups):
                with self._times.measure("converting"):
                    x = self._csr(batch) if self._sparse else self._dense(batch)
                    self._pool.give_chain(batch.first_page)
                yield x, batch.obs
                del x, batch

    def _dense(self, batch: _PackedBatch) -> torch.Tensor:
        x = self._buffers.take(batch.obs.num_rows)
        out = x.numpy()
        pool = self._pool
        kernels.unpack_dense(
            out, out.view(np.uint32), pool.pages, pool.next_page, pool.used, batch.first_page, self._columns.order
        )
        return x

    def _csr(self, batch: _PackedBatch) -> torch.Tensor:
        pool, n_rows = self._pool, batch.obs.num_rows
        chain = pool.pages, pool.next_page, pool.used, batch.first_page
        starts = np.zeros(n_rows + 1, dtype=np.int64)
        kernels.count_rows(starts[1:], *chain)
        np.cumsum(starts, out=starts)
        columns, values = np.empty(starts[-1], dtype=np.int64), np.empty(starts[-1], dtype=np.float32)
        kept = kernels.unpack_csr(starts, columns, values, values.view(np.uint32), *chain, self._columns.order)
        return torch.sparse_csr_tensor(
            torch.from_numpy(starts),
            torch.from_numpy(columns[:kept]),
            torch.from_numpy(values[:kept]),
            size=(n_rows, self._columns.n),
            check_invariants=False,
        )


def _in_order(block: Block) -> bool:
    """Whether rows are delivered in stored order."""
    return block.permutation is None and bool((np.diff(block.joinids) > 0).all())


def _too_large(n_rows: int, packed_bytes: int) -> AlbError:
    return AlbError(
        f"a block of {n_rows:,} rows takes more than the {packed_bytes:,} bytes that are left for packed cells: raise "
        "max_memory, or take smaller blocks"
    )


def _page_size(stream_bytes: float) -> int:
    """Bytes of a page: about a sixteenth of a stream, so that the ends of pages and streams waste little."""
    return int(min(2**16, max(2**10, 2 ** round(np.log2(max(1.0, stream_bytes / 16))))))
