"""asv's commands, prepared; what they do for real is in tests/test_e2e.py."""

import os
import subprocess
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest
from asv import results
from asv.config import Config
from toy import Repository, tree

from alb_core.asv_plugin import commands
from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE, HISTORY_VARIABLE, suite_root
from alb_core.rounds import prepare
from alb_core.rounds.asv_environment import StackEnvironment


def asv(*arguments, **variables):
    """Run asv as typed in the suite's directory, with some environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "asv", *arguments],
        cwd=suite_root(),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [["run", "--machine", "g4dn"], ["setup"], ["publish"], ["compare", "main", "HEAD"]])
def test_a_data_directory_that_is_a_file_is_one_line(tmp_path, command):
    (tmp_path / "data").write_text("mine")
    done = asv(*command, **{DATA_VARIABLE: str(tmp_path / "data"), "HOME": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"alb: {tmp_path / 'data'} is a file")
    assert "Traceback" not in done.stdout + done.stderr


def test_a_history_with_foreign_content_is_refused_by_asv_too(tmp_path):
    (tmp_path / "tiledb-soma").mkdir()
    (tmp_path / "tiledb-soma" / "notes").write_text("mine")
    done = asv("publish", **{DATA_VARIABLE: str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 2 and "is no git repository" in done.stderr


def test_uncommitted_files_are_named_ten_at_most(tmp_path, capsys):
    repository = Repository(tmp_path / "own")
    repository.commit(tree())
    prepare._warn_of_uncommitted(repository.path)
    assert capsys.readouterr().err == ""
    (repository.path / "README.md").write_text("mine\n")
    prepare._warn_of_uncommitted(repository.path)
    assert capsys.readouterr().err.endswith(f"uncommitted in {repository.path}: README.md\n")
    for number in range(11):
        (repository.path / f"{number}.py").write_text("")
    prepare._warn_of_uncommitted(repository.path)
    assert capsys.readouterr().err.endswith(" and 2 more\n")


def test_a_calibration_beside_results_is_none_of_them(tmp_path, caplog):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "machine.json").write_text('{"machine": "m", "version": 1}')
    (tmp_path / "m" / "calibration.json").write_text("{}")
    commands.install()
    assert list(results.iter_results(str(tmp_path))) == [] and caplog.text == ""
    (tmp_path / "m" / "damaged.json").write_text("{}")
    assert list(results.iter_results(str(tmp_path))) == [] and "damaged.json" in caplog.text


def test_threads_follow_the_cpus_that_may_be_used_unless_told_otherwise(monkeypatch):
    for variable in prepare.THREADS:
        # Set first, so that what is set meanwhile goes again.
        monkeypatch.setenv(variable, "1")
        monkeypatch.delenv(variable)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    prepare.steady()
    assert os.environ["OMP_NUM_THREADS"] == "7" and os.environ["TILEDB_SM_IO_CONCURRENCY_LEVEL"] == "3"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("virtualenv", "stack"), ("virtualenv:3.11", "stack:3.11"), (":3.11", ":3.11"), ("existing", "existing")],
)
def test_a_virtualenv_that_is_asked_for_is_one_with_the_stack(given, meant):
    assert commands._with_stack(given) == meant


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """A history of two commits, and what is done when they are compared."""
    repository = Repository(tmp_path / "own")
    repository.commit(tree())
    repository.git("switch", "-qc", "mine")
    repository.commit({"README.md": "mine"})
    conf = Config.load(str(suite_root() / "asv.conf.json"))
    conf.repo, done = str(repository.path), []
    environment = StackEnvironment.__new__(StackEnvironment)
    monkeypatch.setattr(environment, "create", lambda: None)
    monkeypatch.setattr(environment, "build", lambda commit: done.append(f"build {commit}"))
    monkeypatch.setattr(commands, "get_environments", lambda *_: [environment])
    monkeypatch.setattr(commands, "plan", lambda commit: SimpleNamespace(possible=True))
    monkeypatch.setattr(commands, "_measuring", lambda conf, args, run: run())
    monkeypatch.setenv(HISTORY_VARIABLE, conf.repo)

    def compare(base, head):
        del done[:]
        commands._comparing(conf, Namespace(base=base, branch=head, env_spec=[]), lambda: done.append("measure"))
        return done

    return SimpleNamespace(git=repository.git, compare=compare, environment=environment, done=done)


def test_continuous_builds_both_before_it_measures(compared, monkeypatch):
    base, head = compared.git("rev-parse", "main", "HEAD").split()
    assert compared.compare("main", "HEAD") == [f"build {base}", f"build {head}", "measure"]
    # As asv: the first branch, and its parent.
    compared.git("branch", "-f", "main", "mine")
    assert compared.compare(None, None) == [f"build {base}", f"build {head}", "measure"]

    def cannot(commit):
        raise AlbError(f"{commit} cannot be built (source)")

    monkeypatch.setattr(compared.environment, "build", cannot)
    with pytest.raises(AlbError, match=f"BASE main~1: {base} cannot be built"):
        compared.compare("main~1", "HEAD")
    assert compared.done == []
    # What a plan finds out is said before anything is made.
    monkeypatch.setattr(commands, "plan", lambda commit: SimpleNamespace(possible=False, kind="source", why="no cmake"))
    monkeypatch.setattr(commands, "_measuring", None)
    with pytest.raises(AlbError, match=rf"BASE main~1 \({base[:8]}\) cannot be built \(source\): no cmake"):
        compared.compare("main~1", "HEAD")


def test_continuous_refuses_a_commit_against_itself(compared):
    compared.git("branch", "-f", "main", "mine")
    with pytest.raises(AlbError, match=r"main and HEAD are one commit .*alb history use PATH"):
        compared.compare("main", "HEAD")
    assert compared.done == []


@pytest.mark.parametrize("words", [["--python=same"], ["-E", "existing"], ["-E", "existing:python3"]])
def test_a_tiledbsoma_of_no_commit_is_refused(tmp_path, words):
    done = asv("run", *words, **{DATA_VARIABLE: str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "alb verdict BASE --head-env PREFIX" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("*"))
