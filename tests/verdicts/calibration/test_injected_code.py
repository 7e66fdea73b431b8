"""What injected commits add to tiledbsoma's readers."""

import tracemalloc

import pytest

from alb_core.verdicts.calibration import injected_code


class Clock:
    """A time that passes while something reads, and a little with each look at it."""

    LOOK = 1e-6

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        self.now += self.LOOK
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(injected_code, "time", clock)
    return clock


def reader(clock, seconds, steps=3):
    """An iterator's class that takes its time, as a native read does."""

    class Reader:
        def __init__(self):
            self.done = 0

        def __iter__(self):
            return self

        def __next__(self):
            clock.now += seconds
            self.done += 1
            if self.done > steps:
                raise StopIteration
            return self.done

    return Reader


@pytest.mark.parametrize(("seconds", "share"), [(0.05, 1.0), (0.05, 0.25), (0.001, 0.05)])
def test_each_step_takes_longer_by_a_share_of_its_own_time(clock, seconds, share):
    slow = reader(clock, seconds)
    injected_code.slow_down(slow, share)
    started = clock.now
    assert list(slow()) == [1, 2, 3]
    # Four steps, the last of which finds the end.
    assert clock.now - started == pytest.approx(4 * seconds * (1 + share), abs=40 * Clock.LOOK)


def test_a_step_of_no_time_costs_a_few_looks_at_the_clock(clock):
    quick = reader(clock, 0.0)
    injected_code.slow_down(quick, 0.25)
    started = clock.now
    assert list(quick()) == [1, 2, 3]
    assert clock.now - started < 4 * 4 * Clock.LOOK


def test_an_error_comes_through():
    class Broken:
        def __next__(self):
            raise ValueError("disk")

    injected_code.slow_down(Broken, 0.1)
    with pytest.raises(ValueError, match="disk"):
        next(Broken())


def test_bytes_are_kept_once_and_for_good(monkeypatch):
    monkeypatch.setattr(injected_code, "_KEPT", [])
    keeping = reader(Clock(), 0.0)
    injected_code.keep_more(keeping, 20_000_000)
    tracemalloc.start()
    try:
        for _ in range(3):
            assert list(keeping()) == [1, 2, 3]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 20_000_000 <= held < 21_000_000
