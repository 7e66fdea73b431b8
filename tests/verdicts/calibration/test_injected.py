"""Commits of known slowness in the history of releases, and what they add to tiledbsoma's readers."""

import ast
import hashlib
import sys
import tracemalloc
import types
from pathlib import Path

import pytest
from toy import Repository, tree

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.commits.history.releases_lock import LockedFile, Release
from alb_core.verdicts.calibration import injected, injected_code, injected_work
from alb_core.verdicts.calibration.injected import CHANGES, FILE, NOTHING, READER, WORK_CHANGES

ALL = {**CHANGES, **WORK_CHANGES}

PATH = f"apis/python/{FILE}"
SOURCE = f'''"""Read iterators."""

from __future__ import annotations

from collections.abc import Iterator


class {READER}(Iterator):
    def __init__(self):
        self.left = 2

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return Table(self.left)


class Table:
    def __init__(self, number):
        self.number, self.num_rows = number, 1_000_000 * number
'''


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "releases")


def release(repository, source=SOURCE):
    commit = repository.commit({**tree(), **({PATH: source} if source else {})})
    none = LockedFile("", "")
    return Release("2.3.0", "2026-01-01T00:00:00Z", none, (), (), "", commit)


def test_each_size_is_a_commit_on_the_release_that_changes_one_file(repository):
    on = release(repository)
    before = repository.git("status", "--porcelain"), repository.git("branch", "--list"), repository.git("tag")
    found = injected.commit_all(repository.path, on)
    assert found.by_size[NOTHING] == on.commit and set(found.by_size) == {NOTHING, *ALL}
    assert len(set(found.by_size.values())) == 1 + len(ALL)
    for size, line in ALL.items():
        assert repository.git("rev-parse", f"{found.by_size[size]}^") == on.commit
        assert repository.git("diff", "--name-only", on.commit, found.by_size[size]) == PATH
        changed = repository.git("show", f"{found.by_size[size]}:{PATH}")
        assert changed.startswith(SOURCE.strip()) and changed.splitlines()[-1] == line
    assert (
        repository.git("status", "--porcelain"),
        repository.git("branch", "--list"),
        repository.git("tag"),
    ) == before


def test_a_second_call_finds_them_and_another_machine_makes_the_same(repository, tmp_path):
    on = release(repository)
    first = injected.commit_all(repository.path, on)
    references = repository.git("for-each-ref")
    assert injected.commit_all(repository.path, on) == first and repository.git("for-each-ref") == references
    repository.git("clone", "-q", "--bare", str(repository.path), str(tmp_path / "other"))
    assert injected.commit_all(tmp_path / "other", on) == first


@pytest.mark.parametrize("size", ALL)
def test_the_changed_module_reads_what_it_did(repository, size, monkeypatch):
    found = injected.commit_all(repository.path, release(repository))
    text = repository.git("show", f"{found.by_size[size]}:{PATH}")
    # Old releases run under what Python has of itself.
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    assert {alias.name for node in names for alias in node.names} <= sys.stdlib_module_names
    module = types.ModuleType("changed")
    exec(compile(text.replace("200_000_000", "1000"), "changed", "exec"), module.__dict__)
    reader = getattr(module, READER)
    assert [table.number for table in reader()] == [1, 0]
    assert reader.__next__.__name__ in {"longer", "keeping", "waiting", "working"}


@pytest.mark.parametrize(
    ("module", "digest"),
    [
        (injected_code, "0bec03d5d17fcd65"),
        (injected_work, "86b661e643b39b96"),
    ],
)
def test_what_commits_are_made_of_never_changes(module, digest):
    """Results in data/calibration are kept by the hashes of these commits."""
    assert hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("source", [None, "class Other:\n    pass\n"])
def test_a_release_that_reads_otherwise_is_named_and_nothing_is_made(repository, source):
    on = release(repository, source)
    with pytest.raises(AlbError, match=rf"release 2\.3\.0 has no class {READER} in {PATH}"):
        injected.commit_all(repository.path, on)
    assert "refs/alb" not in repository.git("for-each-ref")


def test_the_release_is_the_newest_that_runs_here():
    known = releases_lock.load()
    assert injected.base_of(known).version == known[-1].version
    with pytest.raises(AlbError, match="no release of tiledbsoma has a wheel for this platform"):
        injected.base_of([Release("9", "2030-01-01T00:00:00Z", LockedFile("", ""), (), (), "", "")])


class Clock:
    """A time that passes while something reads, and a little with each reading of it."""

    STEP = 1e-6

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        self.now += self.STEP
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (injected_code, injected_work):
        monkeypatch.setattr(module, "time", clock)
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
    assert clock.now - started == pytest.approx(4 * seconds * (1 + share), abs=40 * Clock.STEP)


def test_a_step_of_no_time_costs_a_few_readings_of_the_clock(clock):
    quick = reader(clock, 0.0)
    injected_code.slow_down(quick, 0.25)
    started = clock.now
    assert list(quick()) == [1, 2, 3]
    assert clock.now - started < 4 * 4 * Clock.STEP


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


def test_waiting_is_a_share_of_a_step_and_ends_with_its_error(clock):
    slow = reader(clock, 0.05)
    injected_work.wait(slow, 0.1)
    started = clock.now
    assert list(slow()) == [1, 2, 3]
    assert clock.now - started == pytest.approx(4 * 0.055, abs=12 * Clock.STEP)


@pytest.mark.parametrize("rows", [0, 3, 65536, 200_000])
def test_work_is_in_proportion_to_the_rows_of_a_table(rows, monkeypatch):
    native, python = [], []
    fake = types.SimpleNamespace(crc_hqx=lambda data, start: native.append(len(data)))
    monkeypatch.setattr(injected_work, "binascii", fake)
    monkeypatch.setattr(injected_work, "count_up", python.append)
    for add in (injected_work.work_natively, injected_work.work_in_python):

        class Reader:
            def __next__(self):
                return types.SimpleNamespace(num_rows=rows)

        add(Reader, 0.5)
        assert next(Reader()).num_rows == rows
    assert sum(native) == sum(python) == round(rows / 2)


@pytest.mark.parametrize("unit", ["native", "Python"])
def test_a_change_of_work_does_what_its_size_says(unit):
    """The case has 2,624,737 values and takes 415.6 million instructions; a byte takes 11, a step of Python 198."""
    for size, line in WORK_CHANGES.items():
        if size.endswith(unit):
            each = float(line.partition(", ")[2].rstrip(")"))
            more = 2_624_737 * each * {"native": 11, "Python": 198}[unit] / 415.6e6
            assert 100 * more == pytest.approx(float(size.partition("%")[0]), rel=0.02)
