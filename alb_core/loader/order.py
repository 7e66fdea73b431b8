"""Which rows, in which order: chunks for the readers, blocks for the loader.

Pure numpy, seeded, no I/O. One (seed, epoch) gives one order, on every machine and in every process; another epoch
gives another. Every row given comes out exactly once; one that is given twice, twice.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec

Int64 = npt.NDArray[np.int64]

#: Shuffle modes of the chunk readers.
CHUNK_SHUFFLES = ("none", "chunk", "global")
#: Shuffle modes of the loader.
BLOCK_SHUFFLES = ("none", "block", "global")

# Streams of random numbers of one epoch: one says which rows stand where, the others (one per block) shuffle rows
# inside a block, so that a worker shuffles its own blocks without drawing for those of the others.
_ORDER_STREAM = 0
_BLOCK_STREAM = 1
#: Of rows drawn with replacement (:mod:`alb_core.loader.training.drawing`).
SAMPLE_STREAM = 2


@dataclass(frozen=True)
class Block:
    """Rows that are read together and shuffled together."""

    #: Joinids of each chunk, int64, in the order in which the chunks were drawn.
    chunks: tuple[Int64, ...]
    #: Order of the rows inside the block, int64, shape (rows,): row ``i`` of the block is row ``permutation[i]`` of the
    #: concatenated chunks. None leaves them as they are.
    permutation: Int64 | None

    @property
    def joinids(self) -> Int64:
        """Joinids in the order in which the rows are delivered, int64, shape (rows,)."""
        rows = self.chunks[0] if len(self.chunks) == 1 else np.concatenate(self.chunks)
        return rows if self.permutation is None else rows[self.permutation]

    def __len__(self) -> int:
        """Rows of the block."""
        return sum(len(chunk) for chunk in self.chunks)

    def after(self, n_rows: int) -> Block:
        """Return the block without its first rows, which were delivered before."""
        return Block((self.joinids[n_rows:],), None) if n_rows else self


def n_chunks(n_rows: int, chunk_size: int) -> int:
    """Chunks that hold ``n_rows`` rows, the last one perhaps short."""
    return -(-n_rows // chunk_size)


def n_blocks(n_rows: int, spec: BlockSpec) -> int:
    """Blocks that hold ``n_rows`` rows, whatever the shuffle mode."""
    return n_chunks(n_chunks(n_rows, spec.chunk_size), spec.chunks_per_block)


def chunks(joinids: Int64, chunk_size: int, shuffle: str = "none", seed: int = 0, epoch: int = 0) -> Iterator[Int64]:
    """Cut rows into the chunks that a reader reads, one after another."""
    _require_mode(shuffle, CHUNK_SHUFFLES)
    BlockSpec(chunk_size, 1)
    _require_seed(seed, epoch)
    _mention_large_chunk(chunk_size, len(joinids))
    return _chunks(joinids, chunk_size, shuffle, seed, epoch)


def _chunks(joinids: Int64, chunk_size: int, shuffle: str, seed: int, epoch: int) -> Iterator[Int64]:
    if shuffle == "global":
        joinids = joinids[generator(seed, epoch, _ORDER_STREAM).permutation(len(joinids))]
    for i, start in enumerate(range(0, len(joinids), chunk_size)):
        chunk = joinids[start : start + chunk_size]
        yield generator(seed, epoch, _BLOCK_STREAM, i).permutation(chunk) if shuffle == "chunk" else chunk


def blocks(
    joinids: Int64,
    spec: BlockSpec,
    shuffle: str = "none",
    seed: int = 0,
    epoch: int = 0,
    *,
    share: tuple[int, int] | None = None,
    first: int = 0,
    step: int = 1,
    after: int = 0,
) -> Iterator[Block]:
    """Cut rows into the blocks that the loader reads, one after another."""
    _require_mode(shuffle, BLOCK_SHUFFLES)
    _require_seed(seed, epoch)
    _mention_large_chunk(spec.chunk_size, len(joinids))
    all_rows = (0, len(joinids))
    return _blocks(joinids, spec, shuffle, seed, epoch, share or all_rows, itertools.count(first, step), after)


def _blocks(
    joinids: Int64,
    spec: BlockSpec,
    shuffle: str,
    seed: int,
    epoch: int,
    share: tuple[int, int],
    numbers: Iterator[int],
    after: int,
) -> Iterator[Block]:
    if shuffle == "global":
        joinids = joinids[generator(seed, epoch, _ORDER_STREAM).permutation(len(joinids))]
    starts, stops = _drawn_chunks(len(joinids), spec.chunk_size, shuffle, seed, epoch, share)
    # Shares draw from streams of their own; that of all rows, or of the first, from the block's.
    own = share[:1] if share[0] else ()
    for i in numbers:
        of_block = slice(i * spec.chunks_per_block, (i + 1) * spec.chunks_per_block)
        ends = list(zip(starts[of_block].tolist(), stops[of_block].tolist(), strict=True))
        if not ends:
            return
        n_rows = sum(stop - start for start, stop in ends)
        if after >= n_rows:
            after -= n_rows
            continue
        permutation = None
        if shuffle == "block":
            permutation = generator(seed, epoch, _BLOCK_STREAM, i, *own).permutation(n_rows)
        yield Block(tuple(joinids[start:stop] for start, stop in ends), permutation).after(after)
        after = 0


def _drawn_chunks(
    n_rows: int, chunk_size: int, shuffle: str, seed: int, epoch: int, share: tuple[int, int]
) -> tuple[Int64, Int64]:
    """Where the chunks of a share start and end, in the order drawn."""
    first, last = share
    if shuffle != "block":
        starts: Int64 = np.arange(first, last, chunk_size)
        return starts, np.minimum(starts + chunk_size, last)
    starts = generator(seed, epoch, _ORDER_STREAM).permutation(np.arange(0, n_rows, chunk_size))
    stops = np.minimum(starts + chunk_size, n_rows)
    before = np.concatenate(([0], np.cumsum(stops - starts)))
    taken = slice(np.searchsorted(before[1:], first, side="right"), np.searchsorted(before[:-1], last))
    starts, stops, before = starts[taken], stops[taken], before[taken]
    return starts + np.maximum(first - before, 0), np.minimum(stops, starts + last - before)


def generator(seed: int, epoch: int, *stream: int) -> np.random.Generator:
    """Random numbers of one stream of one epoch.

    The bit generator is named, because numpy may change which one is its default.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(epoch, *stream))))


def _require_mode(shuffle: str, modes: tuple[str, ...]) -> None:
    if shuffle not in modes:
        raise AlbError(f"shuffle is {shuffle!r}, expected one of {', '.join(modes)}")


def _mention_large_chunk(chunk_size: int, n_rows: int) -> None:
    """Warn of a chunk that no row range fills: allowed, and rarely meant."""
    if chunk_size > n_rows:
        warnings.warn(f"a chunk of {chunk_size} rows holds all {n_rows} rows there are", stacklevel=3)


def _require_seed(seed: int, epoch: int) -> None:
    for name, value in (("seed", seed), ("epoch", epoch)):
        if value < 0:
            raise AlbError(f"{name} is {value}, expected 0 or more")
