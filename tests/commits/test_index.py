import hashlib

import pytest

from alb_core.base.errors import AlbError
from alb_core.commits.history.index import fetch, project_files
from alb_core.commits.history.releases_lock import LockedFile


def wanted(content, name="thing-1.0.tar.gz"):
    return {"thing": [LockedFile(name, hashlib.sha256(content).hexdigest())]}


def test_a_file_is_fetched_once_and_again_only_when_it_was_altered(index, tmp_path, capsys):
    index.add("thing", "thing-1.0.tar.gz", b"content")
    (tmp_path / "thing-1.0.tar.gz").write_bytes(b"cont")
    [path] = fetch(wanted(b"content"), tmp_path)
    assert path.read_bytes() == b"content" and "sha256" in capsys.readouterr().err
    index.close()
    assert fetch(wanted(b"content"), tmp_path) == [path]


@pytest.mark.parametrize(
    ("name", "said"),
    [("thing-1.0.tar.gz", "the lock says"), ("thing-2.0.tar.gz", r"no longer has thing-1\.0\.tar\.gz: put a copy")],
)
def test_other_bytes_than_locked_are_refused_and_not_kept(index, tmp_path, name, said):
    index.add("thing", name, b"other")
    with pytest.raises(AlbError, match=said):
        fetch(wanted(b"content"), tmp_path)
    assert not list(tmp_path.glob("*thing-1.0.tar.gz")) and not list(tmp_path.glob("*.part"))


def test_an_index_that_cannot_be_reached(index, tmp_path):
    index.close()
    with pytest.raises(AlbError, match="what is cached still works"):
        fetch(wanted(b"content"), tmp_path)


def test_an_unknown_project(index):
    with pytest.raises(AlbError, match="no project nothing"):
        project_files("nothing")


def test_a_damaged_file_stays_until_the_index_has_answered(index, tmp_path):
    index.close()
    (tmp_path / "thing-1.0.tar.gz").write_bytes(b"cont")
    with pytest.raises(AlbError, match="what is cached still works"):
        fetch(wanted(b"content"), tmp_path)
    assert (tmp_path / "thing-1.0.tar.gz").read_bytes() == b"cont"
