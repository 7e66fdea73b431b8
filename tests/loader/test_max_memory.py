"""The cap of memory: held by all processes of a loader together, and how."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import TESTS
from tiny import Tiny, write_tiny

from alb_core.base import memory, processes
from alb_core.loader import memory_budget
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.peers.compare.run_loader import PeakMemoryWatch

#: Bytes that a reading process may have: less than what it takes where nobody forbids it.
MORE = 256 * 2**20

LOADERS: dict[str, dict[str, Any]] = {
    "shuffled": {"shuffle": "global"},
    "blocks": {"shuffle": "block"},
    "stored order": {"shuffle": "none"},
    "sparse": {"shuffle": "global", "sparse": True},
    "two workers": {"shuffle": "global", "num_workers": 2},
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Ten million non-zeros, none of them a count: they take the most room."""
    return write_tiny(tmp_path_factory.mktemp("large") / "experiment", 20_000, 5_000, values=lambda x: x + 0.5)


def peak_and_cap(*arguments: str) -> tuple[int, int]:
    """Most that all processes of the program held at once, and what they were allowed, in bytes."""
    command = [sys.executable, str(TESTS / "capped.py"), *arguments]
    with processes.Program(command, stdout=subprocess.PIPE) as process, PeakMemoryWatch(process.pid) as watch:
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0
    return watch.peak, int(said)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say what a tree of processes holds")
@pytest.mark.parametrize("name", LOADERS)
def test_the_cap_holds(large: Tiny, name: str) -> None:
    peak, cap = peak_and_cap(large.uri, str(MORE), json.dumps(LOADERS[name]))
    assert peak <= cap, f"{peak / 2**20:,.0f} MiB of {cap / 2**20:,.0f}"


def fragmented() -> Iterator[list[int]]:
    """Bytes held with 200 MB in small pieces, when all but the last were freed, and when they were given back."""
    pieces = [bytes(100_000) for _ in range(2_000)]
    held = [memory.held_bytes()]
    pieces[:-1] = []
    held.append(memory.held_bytes())
    memory.give_back()
    yield [*held, memory.held_bytes()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_memory_that_was_freed_is_given_back() -> None:
    [(held, freed, given_back)] = processes.iterate(f"{Path(__file__).stem}:fragmented")
    assert freed > held - 50 * 2**20, "else there is nothing to give back"
    assert given_back < held - 100 * 2**20


def test_free_memory_is_given_back_near_the_cap_and_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    held, now, given = 400 * 2**20, 10.0, []
    monkeypatch.setattr(memory, "held_bytes", lambda: held)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(now))
    monkeypatch.setattr(memory_budget.time, "monotonic", lambda: now)
    watched = memory_budget.MemoryCap(500 * 2**20)
    watched.keep()
    assert not given, "far below the cap"
    held = 450 * 2**20
    for later in (10.0, 10.01, 10.2):
        now = later
        watched.keep()
    assert given == [10.0, 10.2], "what is in use cannot be given back, however often one tries"
    memory_budget.MemoryCap(None).keep()
    assert len(given) == 2


def test_a_loader_looks_at_its_cap_while_it_reads(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int | None] = []
    monkeypatch.setattr(memory_budget.MemoryCap, "keep", lambda self: looked.append(self._threshold))
    cap = 2**32
    with SomaLoader(tiny.uri, BlockSpec(64, 4), method="numba", max_memory=cap) as loader:
        for _ in loader:
            pass
    assert looked and {cap - near for near in looked if near is not None} == {memory_budget._MARGIN_BYTES}
