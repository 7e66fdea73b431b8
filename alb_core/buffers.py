"""Dense batches whose memory is used again: fresh pages of memory cost more than what is written into them."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import torch

#: References to an array of the pool that nobody else holds: the list's, the loop's and that of ``getrefcount``.
_OURS = 3

#: Buffers kept. A consumer that keeps more batches than this gets fresh memory for each.
_KEPT = 4


class BatchBuffers:
    """Float32 arrays of one shape, each handed out again when its last tensor is gone.

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
            if sys.getrefcount(array) == _OURS:
                return array
        array = np.empty(self._shape, dtype=np.float32)
        if len(self._arrays) < _KEPT:
            self._arrays.append(array)
        return array
