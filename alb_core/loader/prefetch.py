"""Run an iterator ahead of its consumer, in a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds between two checks of a thread that waits for room whether the consumer is still there.
_CHECK_SECONDS = 0.05


class _End:
    """The last thing in a queue: the source ended, or failed."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


#: Seconds that a consumer who stops early waits for the thread: it may be in a read that nothing can stop.
_SECONDS_TO_END = 0.5

#: Iterators whose threads may be running: when the process ends, none may still read.
_LIVE: weakref.WeakSet[Generator[Any, None, None]] = weakref.WeakSet()

#: Threads that shall end, and have not yet.
_ENDING: set[threading.Thread] = set()


@atexit.register
def _close_all() -> None:
    for items in list(_LIVE):
        with contextlib.suppress(Exception):
            items.close()
    # After Ctrl-C the process is killed by the signal, and TileDB not taken down under its threads.
    if getattr(sys, "last_type", None) is not KeyboardInterrupt:
        wait_for_threads()


def threads_running() -> bool:
    """Whether threads of iterators that were closed early are still at their last item."""
    return any(thread.is_alive() for thread in list(_ENDING))


def wait_for_threads() -> None:
    """Wait for those threads, so that what they use may be closed or used again."""
    while _ENDING:  # each may have closed an iterator of its own
        for thread in list(_ENDING):
            _join(thread, None)


def prefetched(
    source: Iterable[T], depth: int = 1, *, stop: Callable[[], object] | None = None
) -> Generator[T, None, None]:
    """Iterate over a source in a thread, up to some items before they are asked for.

    The thread starts with the first item asked for, and ends when this iterator does: at its end, at an error, or when
    it is closed, which is what happens to a ``for`` loop that is left early. Closing waits for it a moment, no longer:
    a read of TileDB may take many seconds, cannot be stopped, and Ctrl-C must not wait for it
    (:func:`wait_for_threads`).
    """
    items = _items(source, depth, stop)
    _LIVE.add(items)
    return items


def _items(source: Iterable[T], depth: int, stop: Callable[[], object] | None) -> Generator[T, None, None]:
    items: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_run, args=(iter(source), items, left), name="alb-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item  # or it would be held while the next one is waited for
    finally:
        left.set()
        if stop is not None:
            stop()
        _ENDING.add(thread)
        _join(thread, _SECONDS_TO_END)


def _join(thread: threading.Thread, seconds: float | None) -> None:
    thread.join(seconds)
    if not thread.is_alive():
        _ENDING.discard(thread)


def _run(source: Iterator[T], items: queue.Queue[T | _End], left: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in source:
            if not _put(item, items, left):
                break
            del item
    except BaseException as raised:
        error = raised
    finally:
        with contextlib.suppress(Exception):  # the source's own error is the one to tell
            if isinstance(source, Generator):
                source.close()
    _put(_End(error), items, left)


def _put(item: T | _End, items: queue.Queue[T | _End], left: threading.Event) -> bool:
    """Add an item as soon as there is room; False if the consumer has left."""
    while not left.is_set():
        with contextlib.suppress(queue.Full):
            items.put(item, timeout=_CHECK_SECONDS)
            return True
    return False
