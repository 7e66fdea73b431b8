"""A progress bar of rows. tqdm is imported where a bar is asked for: the loader runs without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alb_core.base.errors import AlbError


@contextmanager
def progress_bar(total: int, left: int, title: str) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise AlbError("progress=True needs tqdm, which is not installed: pip install tqdm") from error

    class Bar(tqdm):  # type: ignore[misc]
        # Its own would be a thread, and a semaphore of the system, that outlive the bar.
        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    with Bar(total=total, initial=total - left, desc=title, unit=" cells", leave=False, disable=None) as shown:
        yield shown.update
