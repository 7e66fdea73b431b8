"""A progress bar of rows. tqdm is imported where a bar is asked for: the loader runs without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alb_core.errors import AlbError


@contextmanager
def bar(total: int, title: str) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal, and nothing elsewhere.

    Yields
    ------
    callable
        To be told how many rows are done more.

    Raises
    ------
    AlbError
        If tqdm is not installed.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise AlbError("progress=True needs tqdm, which is not installed: pip install tqdm") from error

    class Bar(tqdm):  # type: ignore[misc]
        # Its own would be a thread, and a semaphore of the system, that outlive the bar.
        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    with Bar(total=total, desc=title, unit=" cells", leave=False, disable=None) as shown:
        yield shown.update
