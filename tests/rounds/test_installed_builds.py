"""Builds that stand for BASE or HEAD, in environments that hold them."""

import pytest
from wheels import wheel_of

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.commits.builds import given
from alb_core.rounds import installed_commits
from alb_core.rounds.installed_commits import CouldNotMeasureError, base_and_head, compiled_here

BUILDS = [given.GivenBuild(f"wheel {n}", None, n * 64, "", "1.0", ()) for n in "ab"]


class Environment:
    """An environment of asv's, as far as it is looked at here."""

    def __init__(self, path):
        self.path, self.installed_commit_hash, self.env_vars = path, None, {}
        path.mkdir()

    def forget_commit(self):
        self.installed_commit_hash = None

    def hold(self, commit):
        self.installed_commit_hash = commit

    def install_project(self, conf, repo, commit):
        self.hold(commit)
        certificate.save(self.path, {"commit": commit})


@pytest.fixture
def library(tmp_path):
    """A library that every build loads."""
    path = tmp_path / "libtiledb.so"
    path.write_text("one")
    return path


@pytest.fixture
def installs(tmp_path, library, monkeypatch):
    """Builds that were installed, by environment."""
    environments, done = [Environment(tmp_path / "env"), Environment(tmp_path / "duo")], []

    def install(build, place):
        done.append((build.name, place.name))
        outside = {str(library): [sha256_of(library), *certificate.stamp(str(library))]}
        certificate.save(place, {"commit": build.digest, "given": build.digest, "outside": outside})
        return build.digest

    monkeypatch.setattr(installed_commits, "environments_of", lambda conf, roots: environments[: len(roots)])
    monkeypatch.setattr(given, "install", install)
    return done


def sides(one, other):
    builds = [each if isinstance(each, given.GivenBuild) else None for each in (one, other)]
    return base_and_head(None, None, ("main", "HEAD"), [getattr(each, "digest", each) for each in (one, other)], builds)


def test_a_build_is_installed_once_and_again_when_a_library_of_it_is_another(installs, library):
    commit, build = "c" * 40, BUILDS[0]
    base, head = sides(commit, build)
    assert (base.commit, head.commit, installs) == (commit, build.digest, [("wheel a", "env")])
    assert head.build_said == f"wheel a (sha256 {'a' * 12}, not proven to be a commit)" and base.build_said is None
    sides(commit, build)
    assert len(installs) == 1
    head.require_unchanged()
    library.write_text("two")
    with pytest.raises(CouldNotMeasureError, match=r"libtiledb\.so of wheel a changed while it was measured"):
        head.require_unchanged()
    sides(commit, build)
    assert len(installs) == 2


def test_what_an_environment_holds_stays_where_it_is(installs):
    sides(BUILDS[0], BUILDS[1])
    sides(BUILDS[1], BUILDS[0])
    assert installs == [("wheel a", "duo"), ("wheel b", "env")]
    # Against itself it is in both.
    base, head = sides(BUILDS[1], BUILDS[1])
    assert base.environment is not head.environment and installs[2:] == [("wheel b", "duo")]


def test_what_is_compiled_here_is_named_with_its_commit(installs, tmp_path, monkeypatch):
    wheel = tmp_path / "tiledbsoma-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel_of("tiledbsoma", "1.0"))
    monkeypatch.setattr(installed_commits, "make", lambda commit, place, from_source: (from_source, wheel, ()))
    _, head = sides("c" * 40, compiled_here(None, "HEAD", "d" * 40))
    assert head.build_said == f"HEAD compiled here (sha256 {sha256_of(wheel)[:12]}, of commit dddddddd)"

    def fails(commit, place, from_source):
        raise AlbError("no compiler")

    monkeypatch.setattr(installed_commits, "make", fails)
    with pytest.raises(CouldNotMeasureError, match=r"HEAD \(dddddddd\) cannot be compiled: no compiler"):
        compiled_here(None, "HEAD", "d" * 40)
