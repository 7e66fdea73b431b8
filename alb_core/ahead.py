"""Run an iterator ahead of its consumer, in a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

#: How often a thread that waits for room looks whether anybody still wants it, in seconds.
_LOOK = 0.05


class _End:
    """The last thing in a queue: the source ended, or failed."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


#: Iterators whose threads may be running: when the process ends, none may still read.
_LIVE: weakref.WeakSet[Generator[Any, None, None]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for items in list(_LIVE):
        with contextlib.suppress(Exception):
            items.close()


def ahead(source: Iterable[T], depth: int = 1, *, stop: Callable[[], object] | None = None) -> Generator[T, None, None]:
    """Iterate over a source in a thread, up to some items before they are asked for.

    The thread starts with the first item asked for, and has ended when this iterator has: at its end, at an error, or
    when it is closed, which is what happens to a ``for`` loop that is left early.

    Parameters
    ----------
    source
        Iterated over, and closed if it is a generator, in the thread.
    depth
        Items that may wait, 1 or more. The thread may hold one more.
    stop
        Called when the consumer leaves early, so that a source that waits for something of the consumer's wakes up.

    Returns
    -------
    generator
        Items of the source, in its order.

    Raises
    ------
    BaseException
        What the source raised, as it was, so with its cause and its traceback.
    """
    items = _items(source, depth, stop)
    _LIVE.add(items)
    return items


def _items(source: Iterable[T], depth: int, stop: Callable[[], object] | None) -> Generator[T, None, None]:
    items: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_run, args=(iter(source), items, left), name="alb-ahead", daemon=True)
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
        thread.join()


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
    """Add an item as soon as there is room; False if nobody wants it any more."""
    while not left.is_set():
        with contextlib.suppress(queue.Full):
            items.put(item, timeout=_LOOK)
            return True
    return False
