"""What comes out of a loader, counted: rows, values, each joinid exactly once, and how well batches are mixed.

Runs beside the loader in its own environment: numpy and torch alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alb_core.base.checksum import combined, dense_checksum

Int64 = npt.NDArray[np.int64]

#: Up to here float32 holds every whole number, so a sum of counts is exact.
_EXACT_FLOAT32 = 2.0**24


@dataclass(frozen=True)
class Facts:
    """What is known of the rows and columns before they are loaded."""

    #: Ascending, int64. The rows are those that must come, each once a pass.
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
    def load(cls, directory: Path, rows: int | None = None) -> Facts:
        """Read what :meth:`save` has written, of the first ``rows`` rows (None for all)."""
        groups = directory / "groups.npy"
        return cls(
            obs_joinids=np.load(directory / "obs.npy")[:rows],
            var_joinids=np.load(directory / "var.npy"),
            groups=np.load(groups)[:rows] if groups.exists() else None,
        )


def touched(x: Any) -> tuple[int, float]:
    """Touch every value of a batch: how many are not zero, and their sum, exact for whole counts."""
    if not isinstance(x, torch.Tensor):
        return x.nnz, x.total()
    # By bit patterns, as whole numbers, which torch counts four times as fast as floats.
    nnz = int(torch.count_nonzero(x.view(torch.int32)))
    per_row = x.sum(dim=1)
    if len(per_row) and float(per_row.max()) >= _EXACT_FLOAT32:
        per_row = x.sum(dim=1, dtype=torch.float64)
    return nnz, float(per_row.sum(dtype=torch.float64))


def entropy(groups: npt.NDArray[np.integer[Any]]) -> float:
    """Entropy of the groups of some rows, in bits: 0 where all are of one."""
    if not len(groups):
        return 0.0
    shares = np.bincount(groups) / len(groups)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


@dataclass
class Counted:
    """Counts over the batches of some passes."""

    #: What must come.
    facts: Facts
    #: Compute the checksum, too: slower than the loading, so not when timing.
    check: bool = False
    #: So far.
    n_rows: int = 0
    n_batches: int = 0
    nnz: int = 0
    total: float = 0.0
    checksum: int = 0
    #: Rows that nobody asked for.
    unknown: int = 0
    #: Batches that have another form than a row for each joinid and a column for each var.
    shapes: list[str] = field(default_factory=list)
    #: Sum of the entropies of all batches.
    mixed: float = 0.0
    #: Number of batches by their rows.
    sizes: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._seen = np.zeros(len(self.facts.obs_joinids), dtype=np.int32)

    def add(self, x: Any, joinids: Int64) -> None:
        """Count a batch. What holds it must not be kept by the caller while the next one is made."""
        nnz, total = touched(x)
        self.nnz += nnz
        self.total += total
        self.n_rows += len(joinids)
        self.n_batches += 1
        places = self._places(joinids)
        if isinstance(x, torch.Tensor):
            wanted = (len(joinids), len(self.facts.var_joinids))
            if tuple(x.shape) != wanted or x.dtype != torch.float32:
                self.shapes.append(f"{x.dtype} of shape {tuple(x.shape)}, expected torch.float32 of {wanted}")
            elif self.check:
                values = dense_checksum(x.numpy(), joinids, self.facts.var_joinids)
                self.checksum = combined(self.checksum, values)
            self.sizes[len(joinids)] += 1
            if self.facts.groups is not None:
                self.mixed += entropy(self.facts.groups[places])
        elif self.check:
            self.checksum = combined(self.checksum, x.checksum())

    def _places(self, joinids: Int64) -> Int64:
        """Note that rows have come; return where those asked for stand among the rows."""
        asked = self.facts.obs_joinids
        if not len(asked):
            self.unknown += len(joinids)
            return np.empty(0, dtype=np.int64)
        places = np.minimum(np.searchsorted(asked, joinids), len(asked) - 1)
        known = asked[places] == joinids
        self.unknown += int(len(joinids) - known.sum())
        places = np.asarray(places[known], dtype=np.int64)
        # Not seen[places] += 1, which counts a joinid that comes twice in a batch once.
        once, times = np.unique(places, return_counts=True)
        self._seen[once] += times.astype(np.int32)
        return places

    def faults(self, passes: int = 1) -> list[str]:
        """Say what came otherwise than each joinid exactly once a pass; empty where all is right."""
        asked = self.facts.obs_joinids
        found = list(self.shapes[:1])
        lost, repeated = asked[self._seen < passes], asked[self._seen > passes]
        for rows, what in ((lost, "lost"), (repeated, "came too often")):
            if len(rows):
                found.append(f"{len(rows)} of {len(asked)} rows {what}, such as joinid {rows[0]}")
        if self.unknown:
            found.append(f"{self.unknown} rows came that are none of the dataset's")
        return found

    def as_json(self, passes: int) -> Mapping[str, Any]:
        """Return the counts as JSON holds them."""
        return {
            "n_rows": self.n_rows,
            "n_batches": self.n_batches,
            "nnz": self.nnz,
            "total": self.total,
            "checksum": f"{self.checksum:016x}" if self.check else None,
            "faults": self.faults(passes),
            "mixed": self.mixed if self.facts.groups is not None else None,
            "sizes": {str(size): number for size, number in sorted(self.sizes.items())},
        }
