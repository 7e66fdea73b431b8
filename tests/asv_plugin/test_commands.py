"""asv's commands, prepared; what they do for real is in tests/test_e2e.py."""

import os
import subprocess
import sys

import pytest
from asv import results
from toy import Repository, tree

from alb_core.asv_plugin import commands
from alb_core.base.paths import DATA_VARIABLE, suite_root
from alb_core.rounds import prepare


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
