"""Commits of known slowness in the history of releases."""

import ast
import sys
import types

import pytest
from toy import Repository, tree

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.commits.history.releases_lock import LockedFile, Release
from alb_core.verdicts.calibration import injected
from alb_core.verdicts.calibration.injected import CHANGES, FILE, NOTHING, READER

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
        return self.left
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
    assert found.by_size[NOTHING] == on.commit and set(found.by_size) == {NOTHING, *CHANGES}
    assert len(set(found.by_size.values())) == 1 + len(CHANGES)
    for size in CHANGES:
        assert repository.git("rev-parse", f"{found.by_size[size]}^") == on.commit
        assert repository.git("diff", "--name-only", on.commit, found.by_size[size]) == PATH
        changed = repository.git("show", f"{found.by_size[size]}:{PATH}")
        assert changed.startswith(SOURCE.strip()) and changed.splitlines()[-1] == CHANGES[size]
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


@pytest.mark.parametrize("size", CHANGES)
def test_the_changed_module_reads_what_it_did(repository, size, monkeypatch):
    found = injected.commit_all(repository.path, release(repository))
    text = repository.git("show", f"{found.by_size[size]}:{PATH}")
    # Old releases run under what Python has of itself.
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    assert {alias.name for node in names for alias in node.names} <= sys.stdlib_module_names
    module = types.ModuleType("changed")
    exec(compile(text.replace("200_000_000", "1000"), "changed", "exec"), module.__dict__)
    reader = getattr(module, READER)
    assert list(reader()) == [1, 0] and reader.__next__.__name__ in {"longer", "keeping"}


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
