import multiprocessing
import subprocess

import pytest
from wheels import wheel_of

from alb_core.base.errors import AlbError
from alb_core.commits.history import active, releases, releases_lock
from alb_core.commits.history.git import git, tip


def commit(root):
    git(root, "-c", "user.name=n", "-c", "user.email=e@f", "commit", "-q", "--allow-empty", "-m", "mine")


def test_ensure_makes_the_history_of_the_lock_once(three_releases, place):
    root = releases.ensure()
    assert root == place / "tiledb-soma"
    assert git(root, "tag").split() == ["1.7.3", "1.8.1"]
    assert tip(root, "HEAD") == releases_lock.load()[-1].commit
    inode = (root / ".git").stat().st_ino
    three_releases.close()
    assert releases.ensure() == root and (root / ".git").stat().st_ino == inode


def test_two_processes_make_one_history(three_releases, place):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=releases.ensure) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert git(place / "tiledb-soma", "rev-list", "--count", "main") == "2"
    assert not list(place.glob(".tiledb-soma.partial*"))


def test_update_appends_to_lock_and_history(three_releases, place):
    root = releases.ensure()
    before = releases_lock.load()
    assert [item.version for item in releases.update()] == ["1.9.5"]
    assert releases_lock.load()[:2] == before
    assert tip(root, "main") == tip(root, "1.9.5") == releases_lock.load()[-1].commit
    assert (root / "src" / "a.py").read_text() == "version = '1.9.5'\n"
    assert releases.update() == []


def test_update_adds_the_wheels_of_another_python(three_releases, place):
    before = releases_lock.load()
    for project, version in (("tiledbsoma", "1.7.3"), ("tiledb", "0.25.1"), ("tiledb", "0.25.0")):
        content = wheel_of(project, version)
        for tag in ("cp312-cp312", "cp310-cp310"):
            three_releases.add(project, f"{project}-{version}-{tag}-manylinux1_x86_64.whl", content)
    releases.update()
    one, other = releases_lock.load()[:2]
    assert [item.name for item in set(one.wheels) - set(before[0].wheels)] == [
        "tiledbsoma-1.7.3-cp312-cp312-manylinux1_x86_64.whl"
    ]
    assert [len(item.wheels) for item in one.companions] == [1, 2]
    assert (one.commit, other) == (before[0].commit, before[1])


def test_update_leaves_a_main_that_was_gone_on_with(three_releases, place, capsys):
    root = releases.ensure()
    commit(root)
    mine = tip(root, "main")
    releases.update()
    assert tip(root, "main") == mine
    assert tip(root, "1.9.5") == releases_lock.load()[-1].commit
    assert "stays" in capsys.readouterr().err


def test_a_users_own_history_is_used_as_it_is(three_releases, place, tmp_path):
    own = tmp_path / "own"
    subprocess.run(["git", "init", "-q", "-b", "main", own], check=True)
    commit(own)
    place.mkdir(exist_ok=True)
    (place / "tiledb-soma").symlink_to(own)
    before = git(own, "for-each-ref"), git(own, "rev-parse", "HEAD")
    releases.ensure()
    releases.update()
    assert (git(own, "for-each-ref"), git(own, "rev-parse", "HEAD")) == before
    assert active.show().kind == active.OWN


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_foreign_content_is_refused_and_kept(place, kind):
    root = place / "tiledb-soma"
    kept = root / "notes" if kind == "directory" else root
    kept.parent.mkdir(parents=True, exist_ok=True)
    if kind == "dangling link":
        root.symlink_to(place / "nowhere")
    else:
        kept.write_text("mine")
    with pytest.raises(AlbError, match="tiledb-soma"):
        releases.ensure()
    assert root.is_symlink() if kind == "dangling link" else kept.read_text() == "mine"


def test_a_commit_that_differs_from_the_lock_is_refused(three_releases, place):
    text = releases_lock.lock_path().read_text()
    releases_lock.lock_path().write_text(text.replace(releases_lock.load()[-1].commit, "0" * 40))
    with pytest.raises(AlbError, match=r"1\.8\.1 became commit"):
        releases.ensure()
    assert not (place / "tiledb-soma").exists() and not list(place.glob(".tiledb-soma.partial*"))
