import json
from dataclasses import replace

import pytest

from alb_core.base.errors import AlbError
from alb_core.commits.builds.wheels import fitting, installable
from alb_core.commits.history import releases_lock
from alb_core.commits.history.releases_lock import Companion, LockedFile, Release


def release(version, released):
    file = LockedFile(f"tiledbsoma-{version}.tar.gz", "0" * 64)
    somacore = Companion("somacore", "1.0.8", (LockedFile("somacore-1.0.8-py3-none-any.whl", "1" * 64),))
    return Release(version, released, file, (file,), (somacore,), "2" * 40, "3" * 40)


def test_committed_lock_holds_all_releases_from_the_floor_on():
    releases = releases_lock.load()
    assert releases[0].version == releases_lock.FLOOR
    assert "2.3.0" in {item.version for item in releases}
    assert len(releases) >= 34
    assert [item.released for item in releases] == sorted(item.released for item in releases)
    for item in releases:
        assert len(item.commit) == len(item.tree) == 40
        assert all(len(file.sha256) == 64 for file in (item.sdist, *item.wheels))
        assert "somacore" in {companion.name for companion in item.companions}


@pytest.mark.parametrize(("python", "oldest"), [("3.11", "1.7.3"), ("3.12", "1.15.0"), ("3.13", "1.16.0")])
def test_each_python_has_wheels_from_a_release_on(under, python, oldest):
    under(python)
    every = releases_lock.load()
    found = installable(every)
    assert found[0].version == oldest and found == every[-len(found) :]
    for item in (item for each in found for item in each.companions):
        assert fitting(item.wheels) is not None, item.name


def test_hashes_that_stand_are_never_changed():
    # Results are recorded under these commits, on every machine.
    commits = {item.version: item.commit for item in releases_lock.load()}
    assert commits["1.7.3"] == "f6eaabc8" + commits["1.7.3"][8:]
    assert commits["2.3.0"] == "b1d77c73374e635a326eebacb06902a3e075f601"


def test_append_keeps_what_stands(tmp_path):
    path = tmp_path / "lock.json"
    releases_lock.append([release("1.7.3", "2024-03-07T00:00:00+00:00")], path)
    before = json.loads(path.read_text())["releases"][0]
    releases_lock.append([release("1.8.1", "2024-03-19T00:00:00+00:00")], path)
    assert json.loads(path.read_text())["releases"][0] == before
    assert releases_lock.load(path) == [
        release("1.7.3", "2024-03-07T00:00:00+00:00"),
        release("1.8.1", "2024-03-19T00:00:00+00:00"),
    ]


@pytest.mark.parametrize("again", [("1.7.3", "2025-01-01T00:00:00+00:00"), ("1.6.0", "2023-01-01T00:00:00+00:00")])
def test_append_refuses_to_rewrite(tmp_path, again):
    path = tmp_path / "lock.json"
    releases_lock.append([release("1.7.3", "2024-03-07T00:00:00+00:00")], path)
    before = path.read_bytes()
    with pytest.raises(AlbError, match=again[0]):
        releases_lock.append([release(*again)], path)
    assert path.read_bytes() == before


def test_a_lock_that_is_damaged_or_missing_is_one_clear_error(tmp_path):
    path = tmp_path / "lock.json"
    for said in ("there is no such file", r"releases\[0\] lacks commit, "):
        with pytest.raises(AlbError, match=rf"lock\.json is no lock of releases \({said}.*: restore it with git"):
            releases_lock.load(path)
        path.write_text('{"lock_version": 1, "releases": [{}]}')


def test_wheels_are_added_and_nothing_else_changes(tmp_path):
    path = tmp_path / "lock.json"
    stands = release("1.7.3", "2024-03-07T00:00:00+00:00")
    releases_lock.append([stands], path)
    more = LockedFile("tiledbsoma-1.7.3-cp312.whl", "4" * 64)
    assert releases_lock.add_wheels([stands], path) == 0
    assert releases_lock.add_wheels([replace(stands, wheels=(*stands.wheels, more))], path) == 1
    before = path.read_text()
    for other in (stands, replace(stands, wheels=(more,)), replace(stands, commit="9" * 40)):
        with pytest.raises(AlbError, match="what stands in it stays"):
            releases_lock.add_wheels([other], path)
    assert path.read_text() == before
