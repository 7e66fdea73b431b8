"""Counters of an epoch: one run for all of asv's track methods."""

import json
import math
import pickle
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from alb_core.base.errors import AlbError
from alb_core.cases import counters
from alb_core.cases.chunk_readers import read_epoch
from alb_core.cases.consume import run_epoch
from alb_core.loader import soma
from alb_core.loader.block_spec import parse_one
from alb_core.loader.dataset import SomaLoader


class Reading:
    """A case over the tiny experiment: all of X, some times."""

    def __init__(self, tiny, times=1):
        self.location, self.times, self._tiny = Path(tiny.uri), times, tiny
        self.stack = ExitStack()
        self.opened = self.stack.enter_context(self.open())

    def open(self):
        return soma.open_experiment(self._tiny.uri, config={"sm.tile_cache_size": 0})

    def epoch(self):
        return read_epoch(self.opened.ms["RNA"].X["raw"], [self._tiny.obs_joinids] * self.times, "table")

    def close(self):
        self.stack.close()


class Loading(Reading):
    def open(self):
        return SomaLoader(self._tiny.uri, parse_one("4x16"), method="scipy.csr", batch_size=64)

    def epoch(self):
        return run_epoch(self.opened)


class LoadingTrack(counters.Loading):
    pass


class ReadingTrack(counters.Reading):
    pass


def test_what_is_read_is_counted(tiny):
    with closing(Reading(tiny)) as case:
        once = counters.count(case)
    with closing(Reading(tiny, times=2)) as case:
        twice = counters.count(case)
    assert once["fragments"] == twice["fragments"] == 1 and twice["tiles"] == 2 * once["tiles"] > 0
    assert twice["bytes_read"] > once["bytes_read"] > 1000 and twice["requests"] > once["requests"]
    assert once["waiting"] is once["reading"] is once["converting"] is None


def test_a_loader_says_where_its_time_went(tiny):
    with closing(Loading(tiny)) as case:
        found = counters.count(case)
    assert found["waiting"] >= 0.5 * found["reading"] > 0 and found["converting"] > 0 and found["fragments"] >= 1


def test_one_run_serves_all_methods_of_asv(tiny):
    opened = []

    def case(times):
        opened.append(Reading(tiny, times))
        return opened[-1]

    cached = counters.count_all([("ReadingTrack", (times,), case) for times in (1, 2)])
    # As asv hands it from one process to others.
    track = ReadingTrack()
    track.setup(pickle.loads(pickle.dumps(cached)), 2)
    assert len(opened) == 2 and all(one.opened.closed for one in opened)
    assert track.track_tiles(cached, 2) == cached["ReadingTrack(2)"]["tiles"] == 2 * cached["ReadingTrack(1)"]["tiles"]
    assert track.track_fragments(cached, 2) == 1 and track.track_bytes_read.unit == "bytes"


def test_what_one_combination_cannot_do_is_no_other_ones_failure(tiny):
    def case(method):
        if method == "new":
            raise NotImplementedError("from 2.0 on")
        if method == "wrong":
            raise AlbError("rows 3, expected 4")
        return Reading(tiny)

    cached = counters.count_all([("ReadingTrack", (method,), case) for method in ("table", "new", "wrong")])
    track = ReadingTrack()
    track.setup(cached, "table")
    with pytest.raises(NotImplementedError, match=r"from 2\.0 on"):
        track.setup(cached, "new")
    with pytest.raises(AlbError, match="rows 3, expected 4"):
        track.setup(cached, "wrong")


def test_only_what_is_chosen_is_run(tiny, monkeypatch):
    monkeypatch.setenv(counters.CHOSEN, json.dumps(["ReadingTrack('a', 2)"]))
    cached = counters.count_all([("ReadingTrack", ("a", n), lambda *_: Reading(tiny)) for n in (1, 2)])
    assert list(cached) == ["ReadingTrack('a', 2)"]
    with pytest.raises(NotImplementedError, match="not chosen"):
        ReadingTrack().setup(cached, "a", 1)


def test_what_a_release_does_not_say_is_asvs_not_applicable():
    track = LoadingTrack()
    track.setup({"LoadingTrack()": dict.fromkeys(("tiles", "waiting")) | {"reading": 0.5}})
    assert math.isnan(track.track_tiles()) and math.isnan(track.track_waiting()) and track.track_reading() == 0.5
