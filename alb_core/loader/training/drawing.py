"""Rows drawn with replacement, each as often as its weight says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError
from alb_core.loader import order

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """What is drawn for each epoch."""

    #: Of each row, 0 or more, float64: a row of weight 2 is drawn twice as often as one of weight 1.
    weights: Float64
    #: Rows of an epoch, those that are drawn several times counted each time.
    n_samples: int

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~(np.isfinite(self.weights) & (self.weights >= 0)))
        if len(wrong):
            raise AlbError(
                f"weights has {self.weights[wrong[0]]} for row {wrong[0]} ({len(wrong)} such in all), expected finite "
                "numbers of 0 or more"
            )
        if not np.any(self.weights > 0):
            raise AlbError(f"weights are 0 for all {len(self.weights)} rows, expected one above 0 at least")

    def rows(self, seed: int, epoch: int) -> Int64:
        """Positions of the rows drawn for an epoch, int64, ascending, repeated as often as drawn.

        Ascending, so that rows drawn next to each other are stored near each other, and chunks of them are read
        cheaply; shuffling is left to the blocks.
        """
        cumulated = np.cumsum(self.weights)
        drawn = np.sort(order.generator(seed, epoch, order.SAMPLE_STREAM).random(self.n_samples)) * cumulated[-1]
        # The product may round up to the sum itself, which no row's range includes.
        last = int(np.flatnonzero(self.weights)[-1])
        found: Int64 = np.searchsorted(cumulated, drawn, side="right")
        return np.minimum(found, last)


def balanced(codes: Int64) -> Float64:
    """Weights under which each class is drawn as often as any other."""
    classed = codes >= 0
    weights = np.zeros(len(codes))
    weights[classed] = 1.0 / np.bincount(codes[classed])[codes[classed]] if classed.any() else 0.0
    return weights
