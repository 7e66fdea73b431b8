"""The exact sum of float32 values, in whatever order they come."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

#: Bits of a float32's mantissa, and its lowest exponent: every value is a whole multiple of 2**(_LOWEST - _BITS).
_BITS, _LOWEST = 24, -148


class ExactSum:
    """A sum to which values are added a batch at a time; no rounding, so that no order of adding shows."""

    def __init__(self) -> None:
        self._units = 0

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Add finite values, shape (n,), float32; at most 2**29 at a time."""
        mantissas, exponents = np.frexp(values)
        # Whole numbers below 2**24: sums of 2**29 of them are exact in float64.
        whole = np.ldexp(mantissas, _BITS)
        for exponent, total in enumerate(np.bincount(exponents - _LOWEST, whole)):
            self._units += int(total) << exponent

    def value(self) -> int | float:
        """Return the sum: an int if it is whole, else the nearest float64."""
        total = Fraction(self._units, 1 << (_BITS - _LOWEST))
        return int(total) if total.denominator == 1 else float(total)
