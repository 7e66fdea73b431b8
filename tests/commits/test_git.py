import pytest
from local_index import sdist_of

from alb_core.base.errors import AlbError
from alb_core.commits.history import git as git_module
from alb_core.commits.history.git import git
from alb_core.commits.history.releases_lock import LockedFile, Release


@pytest.fixture
def releases(tmp_path):
    def one(version, released, files, executable=()):
        path = tmp_path / f"{version}.tar.gz"
        path.write_bytes(sdist_of(version, files, executable))
        return Release(version, released, LockedFile(path.name, ""), (), (), "", ""), path

    return [
        one("1.0.0", "2024-03-07T15:34:44+00:00", {"setup.py": "a\n", "run.sh": "x\n", "gone.py": ""}, {"run.sh"}),
        one("1.1.0", "2024-04-01T00:00:00+00:00", {"setup.py": "b\r\n", 'a b/"é".py': "name\n"}),
    ]


def made(path, releases):
    path.mkdir()
    git_module.create(path, releases)
    return path


def test_commits_hold_the_distributions(tmp_path, releases):
    history = made(tmp_path / "h", releases)
    assert git(history, "log", "--format=%s %cI", "--reverse").splitlines() == [
        "Release 1.0.0 2024-03-07T15:34:44+00:00",
        "Release 1.1.0 2024-04-01T00:00:00+00:00",
    ]
    assert git(history, "tag").split() == ["1.0.0", "1.1.0"]
    assert git(history, "ls-tree", "-r", "--format=%(objectmode) %(path)", "1.0.0").splitlines() == [
        "100644 gone.py",
        "100755 run.sh",
        "100644 setup.py",
    ]
    assert not (history / "gone.py").exists()
    assert (history / "a b" / '"é".py').read_text() == "name\n"
    assert (history / "setup.py").read_bytes() == b"b\r\n"
    assert git(history, "status", "--porcelain") == ""
    assert git(history, "branch", "--show-current") == "main"


def test_hashes_do_not_depend_on_the_users_git(tmp_path, releases, monkeypatch):
    plain = made(tmp_path / "plain", releases)
    odd = tmp_path / "gitconfig"
    odd.write_text(
        "[user]\nname=X\nemail=x@y\n[core]\nautocrlf=true\n[init]\ndefaultBranch=trunk\ndefaultObjectFormat=sha256\n"
        "[commit]\ngpgsign=true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(odd))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00")
    assert git(made(tmp_path / "odd", releases), "rev-parse", "main") == git(plain, "rev-parse", "main")


def test_appending_gives_the_hashes_of_making_at_once(tmp_path, releases):
    at_once = made(tmp_path / "once", releases)
    in_steps = made(tmp_path / "steps", releases[:1])
    git_module.append(in_steps, releases[1:])
    assert git_module.tip(in_steps, git_module.RELEASES_REF) == git_module.tip(at_once, "main")
    assert git_module.tip(in_steps, "main") == git_module.tip(at_once, "1.0.0")


def test_unknown_commit_is_one_clear_error(tmp_path, releases):
    history = made(tmp_path / "h", releases)
    assert git_module.tip(history, "nothing") is None
    with pytest.raises(AlbError, match="git rev-parse failed"):
        git(history, "rev-parse", "--verify", "nothing")
