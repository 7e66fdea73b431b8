"""Synthetic cells: which genes are seen in which cell, and how often.

A gene has a mean of its own, a programme for each cell type, and is measured by some of the source datasets; a cell
has a dataset, a type and a depth. Its counts are negative binomial around the product. Cells are drawn in groups of
:data:`GROUP`, each from random streams of its own, so a cell is the same however many are drawn at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alb_core.datasets.spec import Spec
from alb_core.datasets.synthetic.count_tables import ENTRIES, MAX_DEPTH, ORIGIN, STEPS, UNMEASURED, count_tables
from alb_core.datasets.synthetic.portable_random import RandomStream
from alb_core.datasets.synthetic.profile import MAX_DENSITY, PROFILES

Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

#: Cells that share their streams. Part of what a seed means: never change it.
GROUP = 256
#: Elements of cells x vars that are looked at together; bounds memory, and changes no cell.
_SLICE = 4_000_000
#: Log means are whole numbers, this many to a level.
_FINE = 256
#: Levels by which reads outnumber molecules (64 to one).
AMPLIFICATION = 6 * STEPS
#: One standard deviation of a normal draw.
_SIGMA = 65_536

_GENES, _TYPES, _MIXTURES, _MEASURED, _CELLS, _HITS, _COUNTS, _DEPTHS, _SHARES = range(9)


@dataclass(frozen=True)
class Batch:
    """The non-zeros of consecutive cells, row by row, columns ascending."""

    #: The cells, ``start <= row < stop``.
    start: int
    stop: int
    #: obs and var ``soma_joinid`` of each non-zero, shape (nnz,), int64.
    rows: Int64
    columns: Int64
    #: Counts, whole numbers, shape (nnz,), float32.
    values: Float32


@dataclass(frozen=True)
class Traits:
    """What cells are, each of shape (cells,)."""

    #: Source dataset and cell type, int64.
    datasets: Int64
    types: Int64
    #: Depth in levels, int64.
    depths: Int64
    #: Whether the cell's assay counts reads, not molecules, bool.
    reads: npt.NDArray[np.bool_]


class Population:
    """The cells of a specification."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.profile = PROFILES[spec.profile]
        self._tables = count_tables(self.profile.size)
        self.boundaries = self._dataset_boundaries()
        self._mixtures = self._type_mixtures()
        means = self._log_means()
        popularity = means.sum(axis=0)
        self.measured = self._measured_genes(popularity)
        self._entries = self._level_entries(means)
        self._most_seen = self._entries.argmax(axis=1)

    def datasets_of(self, cells: Int64) -> Int64:
        """Source dataset of each cell, shape as given, int64."""
        found: Int64 = np.searchsorted(self.boundaries, cells, side="right") - 1
        return found

    def traits_of_group(self, group: int) -> Traits:
        """Draw what a group's cells are; always GROUP of them, even if the last ones are beyond the end."""
        stream = RandomStream(self.spec.seed, _CELLS, group)
        datasets = self.datasets_of(np.minimum(np.arange(GROUP) + group * GROUP, self.spec.cells - 1))
        points = stream.uint16(GROUP).astype(np.int64)
        types: Int64 = (self._mixtures[datasets] <= points[:, None]).sum(axis=1)
        depths = _depths(stream, self.profile.depth, GROUP)
        return Traits(datasets, types, depths, stream.uint16(GROUP) < self.profile.reads)

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Draw the cells ``start`` to ``stop`` (all by default), at most one group at a time."""
        stop = self.spec.cells if stop is None else stop
        for group in range(start // GROUP, (stop - 1) // GROUP + 1):
            first = group * GROUP
            batch = self._group(group)
            low, high = max(start, first), min(stop, first + GROUP)
            part = slice(*np.searchsorted(batch.rows, (low, high)))
            yield Batch(low, high, batch.rows[part], batch.columns[part], batch.values[part])

    def _group(self, group: int) -> Batch:
        """Draw a whole group, or what the last one has."""
        first = group * GROUP
        count = min(GROUP, self.spec.cells - first)
        traits = self.traits_of_group(group)
        programmes = (traits.datasets * self.profile.types + traits.types)[:count]
        hits = RandomStream(self.spec.seed, _HITS, group)
        at_once = max(1, _SLICE // self.spec.vars)
        parts = [
            self._hits(hits, programmes[low : low + at_once], traits.depths[low : min(low + at_once, count)], low)
            for low in range(0, count, at_once)
        ]
        rows, columns, entries = (np.concatenate(column) for column in zip(*parts, strict=True))
        # Each molecule that was seen is read many times over where the assay does not tell copies apart.
        entries = np.where(traits.reads[rows], np.minimum(entries + AMPLIFICATION, ENTRIES - 1), entries)
        quantiles = RandomStream(self.spec.seed, _COUNTS, group).uint16(len(rows)) >> 2
        values = self._tables.counts[entries, quantiles].astype(np.float32)
        return Batch(first, first + count, rows + first, columns, values)

    def _hits(self, stream: RandomStream, programmes: Int64, depths: Int64, low: int) -> tuple[Int64, Int64, Int16]:
        """Rows within the group, columns and table entries of the genes that are seen in some cells."""
        n_cells, n_vars = len(programmes), self.spec.vars
        entries = self._entries[programmes]
        entries += depths.astype(np.int16)[:, None]
        # A whole number of 64-bit words for each cell, so that cells can be drawn one by one or together.
        width = (n_vars + 3) // 4 * 4
        points = stream.uint16(n_cells * width).reshape(n_cells, width)[:, :n_vars]
        seen = points < self._tables.chance.take(entries)
        # The Census has no empty droplets: a cell without any count gets one of the gene likeliest in it.
        empty = np.flatnonzero(~seen.any(axis=1))
        seen[empty, self._most_seen[programmes[empty]]] = True
        flat = np.flatnonzero(seen)
        rows, columns = np.divmod(flat, n_vars)
        return rows + low, columns, entries.ravel()[flat]

    def _dataset_boundaries(self) -> Int64:
        """Cut the cells into source datasets of unequal sizes; few cells come from fewer datasets."""
        count = min(self.profile.datasets, self.spec.cells)
        shares = 1 + RandomStream(self.spec.seed, _SHARES).below(4, count)
        reached = np.concatenate([[0], np.cumsum(shares)])
        # At least one cell each.
        spare = self.spec.cells - count
        cuts: Int64 = reached * spare // reached[-1] + np.arange(count + 1)
        return cuts

    def _type_mixtures(self) -> Int64:
        """Upper limits, in 65,536ths, of the types' shares in each source dataset: (datasets, types)."""
        count = len(self.boundaries) - 1
        weights = RandomStream(self.spec.seed, _MIXTURES).uint16(count * self.profile.types).astype(np.int64)
        # Squared: a few types make up most of a tissue.
        weights = (weights.reshape(count, self.profile.types) >> 4) ** 2 + 1
        reached = weights.cumsum(axis=1)
        limits: Int64 = reached * 65_536 // reached[:, -1:]
        return limits

    def _log_means(self) -> Int64:
        """Log mean of each gene in each type, up to a constant: (types, vars), int64, in 1/(16 * 256) octaves."""
        shape = (self.profile.types, self.spec.vars)
        spread = RandomStream(self.spec.seed, _GENES).normal(shape[1]) * _fine(self.profile.popularity)
        means = np.empty(shape, dtype=np.int64)
        depths = RandomStream(self.spec.seed, _TYPES).normal(shape[0]) * _fine(self.profile.type_depth)
        for kind in range(shape[0]):
            own = RandomStream(self.spec.seed, _TYPES, kind + 1).normal(shape[1]) * _fine(self.profile.programme)
            means[kind] = (spread + own + depths[kind]) // _SIGMA
        return means

    def _measured_genes(self, popularity: Int64) -> npt.NDArray[np.bool_]:
        """Which source dataset measures which gene: (datasets, vars), bool."""
        order = popularity.argsort(kind="stable")
        # Mostly the rarely seen half is missing, as genes are in an annotation that is older or shorter.
        limit = np.full(self.spec.vars, 2 * self.profile.unmeasured * 7 // 8)
        limit[order[self.spec.vars // 2 :]] = 2 * self.profile.unmeasured // 8
        measured = np.stack(
            [
                RandomStream(self.spec.seed, _MEASURED, dataset).uint16(self.spec.vars) >= limit
                for dataset in range(len(self.boundaries) - 1)
            ]
        )
        measured[:, order[-1]] = True
        return measured

    def _level_entries(self, means: Int64) -> Int16:
        """Table entries at depth zero, shifted so that a cell has as many genes as the profile says."""
        entries = np.clip((means + self._calibrated_shift(means)) // _FINE + ORIGIN, 3 * MAX_DEPTH + 1, _LAST)
        parts = [np.where(measured, entries, UNMEASURED) for measured in self.measured]
        return np.concatenate(parts).astype(np.int16)

    def _calibrated_shift(self, means: Int64) -> int:
        """Find what to add to the log means for the profile's number of non-zeros per cell.

        The expected number is a sum over the genes, types and source datasets; histograms of their means and of the
        depths make it a small one.
        """
        sizes = np.diff(self.boundaries)
        shares = np.diff(self._mixtures, axis=1, prepend=0)
        lowest, width = int(means.min()), int(means.max() - means.min()) + 1
        histogram = np.zeros(width)
        for kind, of_genes in enumerate(means):
            # Cells of this type that measure each gene, times 65,536: whole numbers.
            weights = (sizes * shares[:, kind]).astype(np.float64) @ self.measured
            histogram += np.bincount(of_genes - lowest, weights, width)
        depths = _depths(RandomStream(self.spec.seed, _DEPTHS), self.profile.depth, 1 << 14)
        frequencies = np.bincount(depths + MAX_DEPTH, minlength=2 * MAX_DEPTH + 1)
        chance = np.convolve(self._tables.chance.astype(np.int64), frequencies[::-1])[MAX_DEPTH:-MAX_DEPTH]
        occupied = np.flatnonzero(histogram)
        wanted = min(self.profile.nnz_per_cell, MAX_DENSITY * self.spec.vars)
        target = wanted * float(self.spec.cells) * 65_536 * (1 << 14) * 65_536
        low, high = -32 * STEPS * _FINE, 32 * STEPS * _FINE
        while high - low > 1:
            middle = (low + high) // 2
            entries = np.clip((occupied + lowest + middle) // _FINE + ORIGIN, 3 * MAX_DEPTH + 1, _LAST)
            if (histogram[occupied] * chance[entries]).cumsum()[-1] < target:
                low = middle
            else:
                high = middle
        return low


_LAST = ENTRIES - 1 - MAX_DEPTH


def _fine(octaves: float) -> int:
    """Octaves in the whole-number units of log means."""
    return round(octaves * STEPS * _FINE)


def _depths(stream: RandomStream, spread: float, count: int) -> Int64:
    """Depths of cells, shape (count,), int64, in levels; within MAX_DEPTH."""
    depths: Int64 = stream.normal(count) * round(spread * STEPS * _FINE) // (_SIGMA * _FINE)
    return np.clip(depths, -MAX_DEPTH, MAX_DEPTH)
