from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.loader.prefetch import prefetched, threads_running, wait_for_threads


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "alb-prefetch"]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_same_items_in_the_same_order(items, depth):
    assert list(prefetched(iter(items), depth)) == items
    assert threads() == []


def test_items_are_made_before_they_are_asked_for():
    made = []
    third = threading.Event()

    def source():
        for i in range(10):
            made.append(i)
            if i == 2:
                third.set()
            yield i

    items = prefetched(source(), 1)
    assert made == [], "nothing runs before the first item is asked for"
    assert next(items) == 0
    # One is handed out, one waits, one is held by the thread.
    assert third.wait(10)
    time.sleep(0.2)
    assert made == [0, 1, 2]
    items.close()
    assert threads() == []


def test_an_error_comes_as_it_is_after_the_items_before_it():
    def source():
        yield 1
        try:
            raise OSError("the disk")
        except OSError as error:
            raise ValueError("the read") from error

    items = prefetched(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match=r"^the read$") as caught:
        next(items)
    assert isinstance(caught.value.__cause__, OSError)
    assert threads() == []


def test_a_loop_that_is_left_stops_the_source_in_its_thread():
    closed_in = []
    stopped = []

    def source():
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread().name)

    for _ in prefetched(source(), 2, stop=lambda: stopped.append(True)):
        break
    assert closed_in == ["alb-prefetch"] and stopped == [True]
    assert threads() == []


def test_stop_wakes_a_source_that_waits_for_its_consumer():
    room = threading.Event()

    def source():
        yield 0
        room.wait()
        yield 1

    items = prefetched(source(), stop=room.set)
    assert next(items) == 0
    items.close()
    assert threads() == []


def test_who_leaves_waits_a_moment_for_a_read_that_cannot_be_stopped():
    """And for all of it where it is asked to."""
    read, ended = threading.Event(), []

    def source():
        yield 0
        read.wait()
        ended.append(True)
        yield 1

    def outer():
        yield from prefetched(source())

    items = prefetched(outer())
    assert next(items) == 0
    items.close()
    assert threads_running() and not ended
    threading.Timer(0.2, read.set).start()
    wait_for_threads()
    assert ended and not threads_running()
    assert threads() == []


def test_a_process_ends_though_an_iterator_is_held():
    program = (
        "import itertools, time\n"
        "from alb_core.loader.prefetch import prefetched\n"
        "def source():\n"
        "    try:\n"
        "        yield from itertools.count()\n"
        "    finally:\n"
        "        print('closed')\n"
        "items = prefetched(source())\n"
        "next(items)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")
