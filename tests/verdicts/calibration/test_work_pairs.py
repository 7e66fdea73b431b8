"""Pairs whose work is counted: which is next, what is kept, and what is busy beside it."""

import contextlib
import types
from collections import Counter

import psutil
import pytest
from recorded import BASE as RELEASE
from recorded import HEAD

from alb_core.cases.instructions import Outcome
from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.verdicts.calibration import work_pairs
from alb_core.verdicts.calibration.injected import NOTHING, WAITING, WORK_CHANGES
from alb_core.verdicts.calibration.work_pairs import LOAD, SHARES, PairCounter, WorkPairs, next_kind

CASE = BenchmarkCase("instructions.ReadChunks.instructions", 0, ("'table'", "'valgrind'"), Kind.COUNT)
OTHER = BenchmarkCase("instructions.Opening.instructions", 0, ("'x'", "'valgrind'"), Kind.COUNT)
ROWS = {"row": CASE, "other": OTHER}


class Commit:
    """An installed commit that says how often it was installed anew."""

    def __init__(self, commit):
        self.commit, self.installed = commit, 0

    def install_again(self, conf, repo):
        self.installed += 1


@pytest.fixture
def counter(tmp_path, monkeypatch):
    """What counts, without counting: HEAD takes 1 % more in one case, by a function; the other one is n/a."""
    loads = []

    def side_by_side(jobs):
        for place in reversed(range(2)):
            work = Work(1000 + 10 * place, {"lib f": 500 + 10 * place})
            yield place, {CASE: Outcome(work), OTHER: Outcome(absent="no") if place else Outcome(work)}, 1.0

    @contextlib.contextmanager
    def busy(processes):
        loads.append(processes)
        yield

    monkeypatch.setattr(work_pairs, "side_by_side", side_by_side)
    monkeypatch.setattr(work_pairs, "busy", busy)
    clock = types.SimpleNamespace(now=0.0)

    def monotonic():
        clock.now += 10
        return clock.now

    monkeypatch.setattr(work_pairs, "time", types.SimpleNamespace(monotonic=monotonic))
    heads = {size: Commit(HEAD) for size in (NOTHING, WAITING, *WORK_CHANGES)}
    versions = {CASE.benchmark: "1", OTHER.benchmark: "1"}
    found = PairCounter(None, None, Commit(RELEASE), heads, ROWS, versions, "valgrind 3", tmp_path / "work" / "m.json")
    found.loads = loads
    return found


def test_each_kind_comes_first_once_and_then_by_its_share():
    pairs = []
    for _ in range(3 * sum(SHARES.values())):
        size, load = next_kind(pairs)
        pairs.append(work_pairs.CountedPair(RELEASE, size, load, "", "", {}))
    kinds = [(pair.size, pair.load) for pair in pairs]
    assert set(kinds[: len(SHARES)]) == set(SHARES)
    assert Counter(kinds) == {kind: 3 * share for kind, share in SHARES.items()}


def test_a_pair_is_installed_anew_counted_and_kept(counter):
    known = WorkPairs()
    failures = counter.run(known, 65)
    # A pair takes 10 s of this clock, and so does each look at it.
    assert len(known.pairs) == 3 and failures == {"other": f"n/a on {known.pairs[-1].size}"}
    assert work_pairs.FORMAT.read(counter.file) == known
    first = known.pairs[0]
    assert (first.size, first.load, first.commit, first.counter) == (NOTHING, 0, RELEASE, "valgrind 3")
    assert first.cases == {"row": work_pairs.CountedCase("1", 1000, 1010, "lib f")}
    assert first.cases["row"].change == pytest.approx(0.01)
    assert counter.base.installed == 3 and counter.heads[NOTHING].installed == 2 and counter.loads == [0, LOAD, 0]
    # Another call goes on with the next kind.
    again = work_pairs.FORMAT.read(counter.file)
    counter.run(again, 15)
    assert [pair.size for pair in again.pairs[:3]] == [pair.size for pair in known.pairs]
    assert again.pairs[3].size not in {pair.size for pair in known.pairs}


def test_no_time_counts_nothing(counter):
    known = WorkPairs()
    assert counter.run(known, 0) == {} and not known.pairs and not counter.file.exists()


def test_who_is_killed_within_a_pair_keeps_those_before_it(counter, monkeypatch):
    known = WorkPairs()
    counter.run(known, 25)
    monkeypatch.setattr(work_pairs, "side_by_side", lambda jobs: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        counter.run(known, 100)
    assert len(known.pairs) == 1 and work_pairs.FORMAT.read(counter.file) == known


@pytest.mark.parametrize("change", [{"commit": HEAD}, {"counter": "valgrind 4"}])
def test_pairs_of_another_release_or_counter_are_kept_and_not_judged(counter, change):
    known = WorkPairs()
    counter.run(known, 15)
    other = work_pairs.replace(known.pairs[0], **change)
    assert counter.judged(WorkPairs([other, *known.pairs])) == known.pairs
    counter.versions[CASE.benchmark] = "2"
    assert counter.judged(known) == []


def test_busy_processes_end_with_the_block():
    own = psutil.Process()
    before = set(own.children(recursive=True))
    with work_pairs.busy(2):
        started = set(own.children(recursive=True)) - before
        assert len(started) >= 2
    assert not [process for process in started if process.is_running() and process.status() != "zombie"]
