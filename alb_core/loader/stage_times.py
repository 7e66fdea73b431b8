"""Where the time of an epoch went."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

#: Two stages may add at once.
_LOCK = threading.Lock()


@dataclass
class StageTimes:
    """Seconds that the loader's stages took; of this process alone, not of a DataLoader's workers.

    Stages that run beside each other all count, so the sum may be more than the epoch took.
    """

    #: X and obs, from the experiment to Arrow tables; waiting for them, where another thread reads.
    reading: float = 0.0
    #: Arrow tables to blocks, and blocks to batches.
    converting: float = 0.0

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the seconds that the block takes to ``reading`` or ``converting``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            with _LOCK:
                setattr(self, stage, getattr(self, stage) + seconds)
