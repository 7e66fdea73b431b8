import json
import subprocess
import sys

import pytest

from alb_core import proof
from alb_core.errors import AlbError
from alb_core.files import sha256_of
from alb_core.history import builds, lock, releases
from alb_core.history.lock import LockedFile
from alb_core.history.repository import git, tip


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A virtual environment, and a suite whose stack is empty."""
    path = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(path)], check=True)
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "constraints.txt").write_text("# nothing\n")
    monkeypatch.setattr(builds, "suite_root", lambda: suite)
    return path


@pytest.fixture
def commits(three_releases, place, monkeypatch):
    """Commits of the releases; their made-up wheels fit any platform."""
    monkeypatch.setattr(builds, "_for_this_platform", lambda wheels, what: wheels[0])
    releases.ensure()
    return {release.version: release.commit for release in lock.load()}


def test_a_release_is_recognised_by_its_tree(commits, place):
    assert builds.plan(commits["1.7.3"]).release.version == "1.7.3"
    root = place / "tiledb-soma"
    identity = ["-c", "user.name=n", "-c", "user.email=e@f"]
    subprocess.run(["git", "-C", root, *identity, "commit", "-q", "--allow-empty", "-m", "same tree"], check=True)
    mine = str(tip(root, "HEAD"))
    assert mine not in commits.values() and builds.plan(mine).release.version == "1.8.1"


def test_a_commit_that_is_no_release_says_so(commits, place):
    root = place / "tiledb-soma"
    (root / "src" / "a.py").write_text("changed\n")
    subprocess.run(["git", "-C", root, "-c", "user.name=n", "-c", "user.email=e@f", "commit", "-qam", "x"], check=True)
    with pytest.raises(AlbError, match=rf"commit {tip(root, 'HEAD')} .* cannot be built yet.*1\.7\.3 to 1\.8\.1"):
        builds.plan(str(tip(root, "HEAD")))
    with pytest.raises(AlbError, match="rev-parse failed"):
        builds.plan("0" * 40)


def test_exactly_one_wheel_is_placed_and_it_is_the_locked_one(commits, tmp_path):
    cache = tmp_path / "cache"
    builds.place_wheel(commits["1.7.3"], cache)
    builds.place_wheel(commits["1.8.1"], cache)
    [wheel] = cache.iterdir()
    assert sha256_of(wheel) == lock.load()[1].wheels[0].sha256


def test_no_wheel_for_the_platform_is_one_clear_error():
    files = (LockedFile("tiledbsoma-1.7.3-cp311-cp311-plan9_68k.whl", ""),)
    with pytest.raises(AlbError, match=r"tiledbsoma 1\.7\.3 has no wheel for Python 3\.11"):
        builds._for_this_platform(files, "tiledbsoma 1.7.3")


def test_environments_switch_between_releases_without_the_index(commits, environment, tmp_path, three_releases):
    wheels = {v: builds.place_wheel(commits[v], tmp_path / v) for v in commits}
    builds.install(commits["1.7.3"], environment, wheels["1.7.3"])
    installed = json.loads((environment / proof.CERTIFICATE).read_text())
    assert installed["commit"] == commits["1.7.3"] and installed["kind"] == "release"
    assert {key: installed["packages"][key] for key in ("tiledbsoma", "somacore", "tiledb")} == {
        "tiledbsoma": "1.7.3",
        "somacore": "1.0.8",
        "tiledb": "0.25.1",
    }
    builds.install(commits["1.8.1"], environment, wheels["1.8.1"])
    three_releases.close()
    builds.install(commits["1.7.3"], environment, wheels["1.7.3"])
    assert json.loads((environment / proof.CERTIFICATE).read_text()) == installed


def test_what_another_release_pins_does_not_stay(three_releases, place, environment, tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "_for_this_platform", lambda wheels, what: wheels[0])
    releases.ensure()
    releases.update()
    for release in (lock.load()[0], lock.load()[2]):
        builds.install(release.commit, environment, builds.place_wheel(release.commit, tmp_path / release.version))
    packages = proof.certificate(environment)["packages"]
    assert packages["somacore"] == "1.0.9" and "tiledb" not in packages


def test_another_wheel_in_asvs_cache_is_refused(commits, environment, tmp_path):
    wheel = builds.place_wheel(commits["1.7.3"], tmp_path / "cache")
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(AlbError, match="is not the wheel of"):
        builds.install(commits["1.7.3"], environment, wheel)
    assert not (environment / proof.CERTIFICATE).exists()


def test_an_environment_of_another_python_is_refused(commits, tmp_path):
    wheel = builds.place_wheel(commits["1.7.3"], tmp_path / "cache")
    (tmp_path / "env" / "lib" / "python3.8").mkdir(parents=True)
    with pytest.raises(AlbError, match=r"no environment of Python 3\.11"):
        builds.install(commits["1.7.3"], tmp_path / "env", wheel)


def test_git_objects_of_the_lock_are_what_plan_compares(commits, place):
    for release in lock.load():
        assert git(place / "tiledb-soma", "rev-parse", f"{release.commit}^{{tree}}") == release.tree
