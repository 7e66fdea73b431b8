"""What an injected commit adds at the end of tiledbsoma's read iterators.

Its text becomes part of that module, which releases of any age import: the standard library alone.
"""

import hashlib
import time
from typing import Any

#: Hashed over and over to pass time: enough that Python's lock is released meanwhile, as by a native read.
_WORK = bytes(8192)

_KEPT: list[bytes] = []


def slow_down(reader: Any, share: float) -> None:
    """Let each step of an iterator's class take longer, by a share of the time that it took."""
    step = reader.__next__

    def longer(self: Any) -> Any:
        started = time.perf_counter()
        try:
            return step(self)
        finally:
            ended = time.perf_counter()
            until = ended + share * (ended - started)
            while time.perf_counter() < until:
                hashlib.sha256(_WORK)

    reader.__next__ = longer


def keep_more(reader: Any, size: int) -> None:
    """Let the first step of an iterator's class keep so many bytes for good, each page of them written to."""
    step = reader.__next__

    def keeping(self: Any) -> Any:
        if not _KEPT:
            _KEPT.append(b"\1" * size)
        return step(self)

    reader.__next__ = keeping
