from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiledbsoma
from tiny import Tiny

from alb_core.cases import io_counts
from alb_core.loader import soma


@contextmanager
def reading(tiny: Tiny) -> Iterator[Callable[[], None]]:
    """Read X, as often as it is called; without a cache of tiles, so that each time reads from the disk."""
    with soma.open_experiment(tiny.uri, config={"sm.tile_cache_size": 0}) as experiment:
        x = experiment.ms["RNA"].X["raw"]
        yield lambda: soma.read_table(x, tiny.obs_joinids, None)


def test_bytes_are_counted_as_they_lie_on_the_disk(tiny: Tiny) -> None:
    files = Path(tiny.uri).glob("ms/RNA/X/raw/__fragments/*/*.tdb")
    stored = {path.name: path.stat().st_size for path in files}
    values = sum(size for name, size in stored.items() if name != "__fragment_metadata.tdb")
    with reading(tiny) as read_x, io_counts.count_bytes() as read_bytes:
        assert read_bytes() == 0
        read_x()
        once = read_bytes()
        read_x()
        again = read_bytes()
    assert once is not None and again is not None
    assert values * 0.95 < once < 2 * sum(stored.values())
    assert values * 0.95 < again - once <= once


def test_each_count_begins_at_nothing(tiny: Tiny) -> None:
    with reading(tiny) as read_x:
        with io_counts.count_bytes() as read_bytes:
            read_x()
            assert read_bytes() != 0
        with io_counts.count_bytes() as read_bytes:
            assert read_bytes() == 0


def test_what_the_oldest_releases_print_is_what_the_others_say(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with reading(tiny) as read_x, io_counts.count_all() as counts:
        read_x()
        said = counts()
        monkeypatch.delattr(tiledbsoma, "tiledbsoma_stats_as_py")
        assert said == counts()
    assert said is not None and set(said) == set(io_counts.COUNTERS) and min(said.values()) > 0
    # Nothing of it is left on the standard output, which works again.
    print("here", flush=True)
    assert capfd.readouterr().out == "here\n"


def test_twice_the_reading_is_twice_the_tiles(tiny: Tiny) -> None:
    with reading(tiny) as read_x, io_counts.count_all() as counts:
        read_x()
        once = counts()
        read_x()
        twice = counts()
    assert once is not None and twice is not None and twice["tiles"] == 2 * once["tiles"]
    assert once["requests"] < twice["requests"]


def test_a_release_that_prints_something_else(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tiledbsoma, "tiledbsoma_stats_as_py")
    monkeypatch.setattr(tiledbsoma, "tiledbsoma_stats_dump", lambda: None)
    with io_counts.count_all() as counts:
        assert counts() is None
    monkeypatch.delattr(tiledbsoma, "tiledbsoma_stats_enable")
    with io_counts.count_all() as counts:
        assert counts() is None


@pytest.mark.parametrize("missing", ["tiledbsoma_stats_enable", "tiledbsoma_stats_as_py"])
def test_a_release_that_does_not_say(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delattr(tiledbsoma, missing)
    with reading(tiny) as read_x, io_counts.count_bytes() as read_bytes:
        read_x()
        assert read_bytes() is None
