"""What injected commits add to tiledbsoma's readers."""

import time
import tracemalloc

import pytest

from alb_core.calibrate import burden


def reader(seconds=0.0, steps=3):
    """An iterator's class that takes its time, as a native read does."""

    class Reader:
        def __init__(self):
            self.done = 0

        def __iter__(self):
            return self

        def __next__(self):
            time.sleep(seconds)
            self.done += 1
            if self.done > steps:
                raise StopIteration
            return self.done

    return Reader


@pytest.mark.quiet
def test_each_step_takes_longer_by_a_share_of_its_own_time():
    slow = reader(0.05)
    burden.slow_down(slow, 1.0)
    started = time.perf_counter()
    assert list(slow()) == [1, 2, 3]
    # Four steps, the last of which finds the end: twice 0.2 s, and what a busy machine adds.
    assert 0.4 <= time.perf_counter() - started < 0.7


def test_what_it_costs_follows_the_step():
    quick = reader()
    burden.slow_down(quick, 0.25)
    started = time.perf_counter()
    assert list(quick()) == [1, 2, 3]
    assert time.perf_counter() - started < 0.05


def test_an_error_comes_through():
    class Broken:
        def __next__(self):
            raise ValueError("disk")

    burden.slow_down(Broken, 0.1)
    with pytest.raises(ValueError, match="disk"):
        next(Broken())


def test_bytes_are_kept_once_and_for_good(monkeypatch):
    monkeypatch.setattr(burden, "_KEPT", [])
    keeping = reader()
    burden.keep_more(keeping, 20_000_000)
    tracemalloc.start()
    try:
        for _ in range(3):
            assert list(keeping()) == [1, 2, 3]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 20_000_000 <= held < 21_000_000
