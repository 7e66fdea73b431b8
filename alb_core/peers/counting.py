"""What a loader delivered, counted: values, each row exactly once, and how well the batches are mixed.

Runs beside the loader in its own environment: the standard library, numpy and torch alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alb_core.cases.consume import EpochCounts, values_of

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExpectedRows:
    """Rows and columns that a loader must deliver, known before it runs."""

    #: Ascending, int64; each row must come once a pass.
    obs_joinids: Int64
    var_joinids: Int64
    #: A number for each row, int32, 0 and up: rows of one source dataset share it. None where obs does not say.
    groups: npt.NDArray[np.int32] | None

    def save(self, directory: Path) -> None:
        """Write them into a directory, for :meth:`load`."""
        np.save(directory / "obs.npy", self.obs_joinids)
        np.save(directory / "var.npy", self.var_joinids)
        if self.groups is not None:
            np.save(directory / "groups.npy", self.groups)

    @classmethod
    def load(cls, directory: Path, rows: int | None = None) -> ExpectedRows:
        """Read what :meth:`save` has written, of the first ``rows`` rows (None for all)."""
        groups = directory / "groups.npy"
        return cls(
            obs_joinids=np.load(directory / "obs.npy")[:rows],
            var_joinids=np.load(directory / "var.npy"),
            groups=np.load(groups)[:rows] if groups.exists() else None,
        )


def entropy(groups: npt.NDArray[np.integer[Any]]) -> float:
    """Entropy of the groups of some rows, in bits: 0 where all are of one."""
    if not len(groups):
        return 0.0
    shares = np.bincount(groups) / len(groups)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


class LoaderCounts(EpochCounts):
    """Counts of some passes, and whether each row came exactly once a pass."""

    def __init__(self, expected: ExpectedRows, check: bool = False) -> None:
        super().__init__(check, expected.var_joinids)
        self.expected = expected
        #: Rows that nobody asked for.
        self.unknown = 0
        #: Batches that have another form than a row for each joinid and a column for each var.
        self.wrong_shapes: list[str] = []
        #: Sum of the entropies of all batches, in bits.
        self.entropies = 0.0
        #: Number of batches by their rows.
        self.sizes: Counter[int] = Counter()
        self._times_seen = np.zeros(len(expected.obs_joinids), dtype=np.int32)

    def add(self, x: Any, rows: Int64) -> None:
        """Count a batch, or a piece of a raw read (:class:`alb_core.cases.chunk_readers.Piece`), and note its rows."""
        places = self._places(rows)
        if not isinstance(x, torch.Tensor):
            self.add_values(x.nnz, x.total(), x.checksum() if self.check else 0)
            self.add_rows(len(rows))
            return
        wanted = (len(rows), len(self.columns))
        if tuple(x.shape) == wanted and x.dtype == torch.float32:
            super().add(x, rows)
        else:
            self.wrong_shapes.append(f"{x.dtype} of shape {tuple(x.shape)}, expected torch.float32 of {wanted}")
            self.add_values(*values_of(x), 0)
            self.add_rows(len(rows))
        self.sizes[len(rows)] += 1
        if self.expected.groups is not None:
            self.entropies += entropy(self.expected.groups[places])

    def _places(self, joinids: Int64) -> Int64:
        """Note that rows have come; return the places of the expected ones among all."""
        expected = self.expected.obs_joinids
        if not len(expected):
            self.unknown += len(joinids)
            return np.empty(0, dtype=np.int64)
        places = np.minimum(np.searchsorted(expected, joinids), len(expected) - 1)
        known = expected[places] == joinids
        self.unknown += int(len(joinids) - known.sum())
        places = np.asarray(places[known], dtype=np.int64)
        # Not times_seen[places] += 1, which counts a joinid that comes twice in a batch once.
        distinct, times = np.unique(places, return_counts=True)
        self._times_seen[distinct] += times.astype(np.int32)
        return places

    def faults(self, passes: int = 1) -> list[str]:
        """Name what came otherwise than each row exactly once a pass; empty where all is right."""
        expected = self.expected.obs_joinids
        found = list(self.wrong_shapes[:1])
        lost, repeated = expected[self._times_seen < passes], expected[self._times_seen > passes]
        for rows, what in ((lost, "lost"), (repeated, "came too often")):
            if len(rows):
                found.append(f"{len(rows)} of {len(expected)} rows {what}, such as joinid {rows[0]}")
        if self.unknown:
            found.append(f"{self.unknown} rows came that are none of the dataset's")
        return found

    def as_json(self, passes: int) -> Mapping[str, Any]:
        """Return the counts as JSON holds them."""
        return {
            **asdict(self.totals),
            "n_batches": self.n_batches,
            "faults": self.faults(passes),
            "entropies": self.entropies if self.expected.groups is not None else None,
            "sizes": {str(size): number for size, number in sorted(self.sizes.items())},
        }
