"""Random numbers that are the same on every machine and under every numpy.

Only the raw 64-bit output of PCG64 and the mixing of SeedSequence are used, which numpy keeps stable; how its
Generator turns them into distributions may change between releases, and exp, log and pow differ in their last bit
between platforms. Everything built on these draws is therefore whole numbers, or the four operations of IEEE 754.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt16 = npt.NDArray[np.uint16]
Int64 = npt.NDArray[np.int64]


class RandomStream:
    """One stream of random numbers."""

    def __init__(self, seed: int, stream: int, index: int = 0) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, stream, index]))

    def uint16(self, count: int) -> UInt16:
        """Draw ``count`` uniform 16-bit numbers, shape (count,); every call starts at a fresh 64-bit word."""
        raw = np.asarray(self._bits.random_raw((count + 3) // 4), dtype="<u8")
        return raw.view("<u2")[:count]

    def normal(self, count: int) -> Int64:
        """Draw ``count`` nearly normal numbers, shape (count,), int64, in units of 1/65,536 standard deviation.

        The sum of twelve uniform numbers, which stays within six standard deviations.
        """
        total: Int64 = self.uint16(12 * count).reshape(count, 12).sum(axis=1, dtype=np.int64)
        return total - 6 * 65_536

    def below(self, limit: int, count: int) -> Int64:
        """Draw ``count`` whole numbers in [0, limit), shape (count,), int64; limit up to 65,536."""
        return (self.uint16(count).astype(np.int64) * limit) >> 16
