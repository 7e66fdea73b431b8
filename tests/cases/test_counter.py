"""What counts instructions: which one is there, and why one is not."""

import os
import struct
import sys
import threading

import pytest

from alb_core.cases import counter
from alb_core.cases.counter import NoCounterError, PerfEvents, Valgrind, counter_here

#: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS: there on machines whose processor counts nothing.
PAGE_FAULTS = (1, 2)

linux = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")


@pytest.fixture
def without_processor(monkeypatch):
    def refused():
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(counter, "processor_counter", refused)
    counter_here.cache_clear()
    yield
    counter_here.cache_clear()


def program(path, text):
    path.mkdir()
    (path / "valgrind").write_text(f"#!/bin/sh\n{text}\n")
    (path / "valgrind").chmod(0o755)
    return str(path)


@linux
@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "not installed"), ("echo valgrind-3.9.0", "3.15 or newer"), ("echo nonsense", "3.15 or newer")],
)
def test_a_machine_without_any_counter_is_told_the_package(tmp_path, monkeypatch, without_processor, script, words):
    monkeypatch.setenv("PATH", str(tmp_path) if script is None else program(tmp_path / "bin", script))
    with pytest.raises(NoCounterError) as caught:
        counter_here()
    assert words in str(caught.value) and "apt install valgrind" in str(caught.value)
    assert "\n" not in str(caught.value)


@linux
def test_valgrind_comes_before_the_processor_and_is_named_with_its_version(tmp_path, monkeypatch, without_processor):
    monkeypatch.setenv("PATH", program(tmp_path / "bin", "echo valgrind-3.22.0.GIT"))
    assert counter_here() == counter.Counter("valgrind", "valgrind 3.22.0.GIT")


@linux
def test_the_processor_counts_where_there_is_no_valgrind(tmp_path, monkeypatch, without_processor):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(counter, "processor_counter", lambda: PerfEvents(PAGE_FAULTS))
    assert counter_here() == counter.Counter("processor", "perf instructions:u")


@linux
def test_the_request_does_nothing_outside_of_valgrind():
    with pytest.raises(OSError, match="valgrind"):
        Valgrind()


@linux
def test_the_system_counts_what_a_function_and_its_threads_take():
    events = PerfEvents(PAGE_FAULTS)

    def touch(pages):
        memory = bytearray(pages * 4096)
        memory[::4096] = b"1" * pages

    def touch_in_thread():
        thread = threading.Thread(target=touch, args=(4000,))
        thread.start()
        thread.join()

    touch(4000)
    few, many = events.count(lambda: None), events.count(touch_in_thread)
    touch(4000)
    assert few < 100 and many > 500
    assert events.count(lambda: None) < 100


@linux
def test_a_counter_that_counted_only_a_part_of_the_time_is_refused(monkeypatch):
    events = PerfEvents(PAGE_FAULTS)
    read = os.read

    def shared(file, size):
        count, asked, counted = struct.unpack("=QQQ", read(file, size))
        return struct.pack("=QQQ", count, asked, counted // 2)

    monkeypatch.setattr(os, "read", shared)
    with pytest.raises(OSError, match="shared"):
        events.count(lambda: bytearray(10**6))
