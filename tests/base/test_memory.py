from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from alb_core.base import memory, processes

THIS = Path(__file__).stem
MIB = 2**20


def allocating() -> Iterator[list[int]]:
    """Peaks: at first, with 200 MiB more, after they were given back, and after a reset."""
    memory.reset_peak()
    peaks = [memory.peak_bytes()]
    held = np.ones(200 * MIB, dtype=np.uint8)
    peaks.append(memory.peak_bytes())
    del held
    peaks.append(memory.peak_bytes())
    memory.reset_peak()
    yield [*peaks, memory.peak_bytes()]


def scores() -> Iterator[int]:
    yield int(Path("/proc/self/oom_score_adj").read_text())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="a peak cannot be reset here")
def test_the_peak_is_the_most_held_since_the_reset() -> None:
    [(at_first, held, given_back, reset)] = processes.iterate(f"{THIS}:allocating")
    assert held - at_first == pytest.approx(200 * MIB, rel=0.05)
    assert given_back == pytest.approx(held, rel=0.01)
    assert reset < at_first + 20 * MIB


def test_the_peak_without_proc_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_proc = memory.peak_bytes()
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    # Never less, and the reset of the one does not reach the other.
    assert memory.peak_bytes() >= by_proc * 0.9
    assert memory.peak_bytes() < 2**40, "kilobytes taken for bytes twice"


def test_what_is_available_is_some_of_what_there_is() -> None:
    available = memory.available_bytes()
    total = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert available is not None and total is not None
    assert 0 < available <= int(total[1]) * 1024


def raised(call, *arguments) -> BaseException:
    with pytest.raises(Exception) as caught:
        call(*arguments)
    return caught.value


def test_the_libraries_own_errors_are_known() -> None:
    for error in (
        raised(np.ones, 2**55),
        raised(pa.allocate_buffer, 2**60),
        raised(torch.empty, 2**55),
        MemoryError(),
        RuntimeError("[TileDB::Task] Error: Caught std::exception: std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("can't start new thread"),
    ):
        assert memory.is_exhaustion(error), repr(error)
    for error in (raised(torch.zeros, -1), ValueError("no memory of this"), OSError(28, "No space left on device")):
        assert not memory.is_exhaustion(error), repr(error)


def test_measuring_processes_are_killed_first() -> None:
    assert list(processes.iterate(f"{THIS}:scores")) == [1000]
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 1000
