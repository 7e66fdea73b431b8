"""What an injected commit of known work adds at the end of tiledbsoma's read iterators.

Its text becomes part of that module, which releases of any age import: the standard library alone.
"""

import binascii
import time
from typing import Any

#: What native work reads. Its function is one of Python's own, so it is the same whatever libraries there are.
_BYTES = memoryview(bytes(65536))


def work_natively(reader: Any, bytes_per_value: float) -> None:
    """Let each step of an iterator's class compute a checksum, of so many bytes for each row of the table it gave."""
    step = reader.__next__

    def working(self: Any) -> Any:
        table = step(self)
        left = round(table.num_rows * bytes_per_value)
        while left > 0:
            binascii.crc_hqx(_BYTES[:left], 0)
            left -= len(_BYTES)
        return table

    reader.__next__ = working


def work_in_python(reader: Any, steps_per_value: float) -> None:
    """Let each step of an iterator's class count in Python, so many steps for each row of the table it gave."""
    step = reader.__next__

    def working(self: Any) -> Any:
        table = step(self)
        count_up(round(table.num_rows * steps_per_value))
        return table

    reader.__next__ = working


def count_up(steps: int) -> None:
    """Do nothing, so many times."""
    for _ in range(steps):
        pass


def wait(reader: Any, share: float) -> None:
    """Let each step of an iterator's class sleep, for a share of the time that it took."""
    step = reader.__next__

    def waiting(self: Any) -> Any:
        started = time.perf_counter()
        try:
            return step(self)
        finally:
            time.sleep(share * (time.perf_counter() - started))

    reader.__next__ = waiting
