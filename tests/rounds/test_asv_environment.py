"""asv takes the suite's environment and repository, and names results as it does those of a virtualenv."""

import sys

import pytest
from asv.config import Config
from asv.environment import get_environments
from asv.plugins.virtualenv import Virtualenv
from asv.repo import get_repo
from asv.util import ProcessError
from toy import Repository, tree

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.base.pythons import measured
from alb_core.commits.builds import local_tiledb
from alb_core.rounds import asv_environment, prepare
from alb_core.rounds.asv_environment import GitObjects, StackEnvironment


@pytest.fixture
def conf(tmp_path, monkeypatch):
    monkeypatch.chdir(suite_root())
    found = Config.load("asv.conf.json")
    prepare.place(found)
    found.env_dir = str(tmp_path / "env")
    return found


@pytest.fixture
def environment(conf):
    [found] = get_environments(conf, None)
    return found


def test_it_has_the_name_and_the_place_of_a_virtualenv(conf, environment):
    assert isinstance(environment, StackEnvironment)
    [plain] = get_environments(conf, ["virtualenv"])
    assert type(plain) is Virtualenv
    assert environment.name == plain.name == f"virtualenv-py{measured()}-ALB_STACK2026.12"
    assert str(environment.path) == plain._path and environment.path.is_relative_to(conf.env_dir)
    [named] = get_environments(conf, [environment.name])
    assert isinstance(named, StackEnvironment)
    environment.path.mkdir(parents=True)
    for one in (environment, plain):
        one.save_info_file(str(environment.path))
        assert environment.load_info_file(str(environment.path))["tool_name"] == "virtualenv"


def test_one_that_cannot_be_made_is_one_clear_error(environment, monkeypatch):
    def unreachable(self):
        raise ProcessError(["pip"], 1, "", "")

    monkeypatch.setattr(asv_environment, "run", lambda *_: None)
    monkeypatch.setattr(Virtualenv, "_install_requirements", unreachable)
    with pytest.raises(AlbError, match=r"virtualenv-py3.*Check the network"):
        environment.create()


def test_the_stack_is_installed_once(environment, monkeypatch):
    done = []
    monkeypatch.setattr(Virtualenv, "create", lambda self: done.append("environment"))
    monkeypatch.setattr(asv_environment, "install_stack", lambda path: done.append(path))
    monkeypatch.setattr(asv_environment.local_packages, "refresh", lambda path: done.append("checkouts"))
    environment.create()
    environment.create()
    assert done == ["environment", environment.path, "checkouts"]


@pytest.mark.parametrize(("there", "whole"), [(["stack"], True), ([], False), (["stack", "unfinished"], False)])
def test_what_is_half_installed_counts_as_missing(environment, monkeypatch, there, whole):
    monkeypatch.setattr(Virtualenv, "check_presence", lambda self: True)
    environment.path.mkdir(parents=True)
    for name in there:
        (environment.path / {"stack": "alb-stack.sha256", "unfinished": "alb-unfinished"}[name]).touch()
    assert environment.check_presence() == whole


def test_a_commit_that_is_forgotten_is_installed_again(environment):
    environment.path.mkdir(parents=True)
    environment._set_installed_commit_hash("a" * 40)
    assert environment.installed_commit_hash == "a" * 40
    environment.forget_commit()
    assert environment.installed_commit_hash is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell of a parent's end")
def test_scripts_run_tied_to_this_process(environment, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "find_executable", lambda name: sys.executable)
    (tmp_path / "script.py").write_text(
        "import ctypes, sys; signal = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(signal)); print(sys.argv[1:], signal.value)"
    )
    assert environment.run([str(tmp_path / "script.py"), "word"]).strip() == "['word'] 9"


def test_no_working_tree_is_made_of_a_commit(conf, tmp_path):
    repository = Repository(tmp_path / "own")
    commit = repository.commit(tree())
    conf.repo = str(repository.path)
    place = tmp_path / "env" / "project"
    found = get_repo(conf)
    found.checkout(str(place), commit)
    assert isinstance(found, GitObjects) and list(place.iterdir()) == []


def test_a_commit_is_built_in_sight_and_what_asv_catches_is_raised(environment, monkeypatch):
    def cannot(commit, path):
        raise AlbError(f"{commit} does not compile")

    tried = []
    monkeypatch.setattr(asv_environment, "make", lambda *words: tried.append(words) or cannot(*words))
    # asv asks in each round.
    for _ in range(2):
        with pytest.raises(ProcessError) as told:
            environment.install_project(None, None, "a" * 40)
        assert told.value.stderr == f"alb: {'a' * 40} does not compile"
    assert len(tried) == 1


def test_a_commit_that_was_compiled_with_another_tiledb_is_not_the_one_that_is_installed(environment, monkeypatch):
    environment.path.mkdir(parents=True)
    environment._set_installed_commit_hash("a" * 40)
    monkeypatch.delenv("TILEDB_PATH", raising=False)
    for tiledb, there in ((local_tiledb.DOWNLOADED, True), ("2.30.0+0123456789ab", False)):
        certificate.save(environment.path, {"packages": {"libtiledb": tiledb}})
        assert (environment.installed_commit_hash == "a" * 40) is there
