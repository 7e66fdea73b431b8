"""The tests run in several processes, those together that share what they make, and the quiet ones alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import parallel
import pytest

TESTS = Path(__file__).parent

CONFTEST = """
import os, time
import pytest
from parallel import *
from quiet import pytest_runtest_protocol

@pytest.fixture
def suite():
    pass

@pytest.fixture
def told(request):
    began = time.monotonic()
    yield
    with open(request.config.rootpath / "told", "a") as file:
        print(request.path.stem, request.node.name, os.getpid(), began, time.monotonic(), file=file)
"""

TWO = """
import time
import pytest

def test_one(told):
    time.sleep(0.1)

{mark}
def test_two(told):
    time.sleep(0.1)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with these hooks and five files of tests, one of them with a quiet test."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("parallel.py", "quiet.py"):
        shutil.copy(TESTS / name, tests)
    (tests / "conftest.py").write_text(CONFTEST)
    for name in ("test_a", "test_b", "test_c", "test_e2e", "test_e2e_other"):
        (tests / f"{name}.py").write_text(TWO.format(mark="@pytest.mark.quiet" if name == "test_c" else ""))
    options = "--strict-markers -n auto --dist loadfile --no-loadscope-reorder"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests\naddopts = {options}\nmarkers = quiet\n")
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the project's tests, without the plugins that this environment has besides: some take seconds to import."""
    environment = {**os.environ, "PYTEST_XDIST_AUTO_NUM_WORKERS": "2", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=200)


def ran(project: Path, *words: str) -> list[tuple[str, str, int, float, float]]:
    """Run them; for each its file, name, process, and from when to when it ran."""
    done = run(project, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in (project / "told").read_text().splitlines()]
    return [(file, name, int(pid), float(began), float(ended)) for file, name, pid, began, ended in lines]


def test_files_stay_together_and_a_quiet_test_is_alone(project: Path) -> None:
    rows = ran(project)
    assert len(rows) == 10
    processes = {file: {pid for other, _, pid, *_ in rows if other == file} for file, *_ in rows}
    assert all(len(pids) == 1 for pids in processes.values())
    assert len(set.union(*processes.values())) == 2
    assert processes["test_e2e"] == processes["test_e2e_other"]
    assert rows[0][0] == "test_e2e" or rows[1][0] == "test_e2e", "the longest begin first"
    [quiet] = [row for row in rows if row[:2] == ("test_c", "test_two")]
    beside = [row for row in rows if row is not quiet and row[3] < quiet[4] and quiet[3] < row[4]]
    assert not beside, "something ran beside it"
    assert any(one[2] != two[2] and one[3] < two[4] and two[3] < one[4] for one in rows for two in rows), "all waited"


def test_one_process_does_without_another(project: Path) -> None:
    rows = ran(project, "-n", "0")
    assert len({pid for _, _, pid, *_ in rows}) == 1
    assert [file for file, *_ in rows] == sorted(file for file, *_ in rows), "in the order of the collection"


def test_the_copy_of_the_suite_is_for_files_that_say_so(project: Path) -> None:
    (project / "tests" / "test_other.py").write_text("def test_it(suite): pass\n")
    done = run(project, "-n", "0")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "tests/test_other.py::test_it takes the fixture suite: name its file test_e2e_*.py" in done.stderr


@pytest.mark.parametrize(
    ("words", "cores", "gibibytes", "number"),
    [
        (["tests"], 2, 24, 2),
        (["tests"], 1, 24, 0),
        (["tests"], 64, 512, 6),
        (["tests"], 16, 16, 4),
        (["tests"], 2, 2, 0),
        (["tests/test_order.py"], 8, 64, 0),
        (["tests/test_order.py::test_a", "tests/test_order.py::test_b"], 8, 64, 0),
        (["tests/test_order.py", "tests/cli/test_main.py"], 8, 64, 2),
        (["tests/test_e2e.py", "tests/test_e2e_branch.py"], 8, 64, 0),
        (["tests/test_order.py", "tests/cli"], 8, 64, 6),
    ],
)
def test_how_many_processes(
    monkeypatch: pytest.MonkeyPatch, words: list[str], cores: int, gibibytes: int, number: int
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gibibytes * 2**18}.__getitem__)
    assert parallel.pytest_xdist_auto_num_workers(SimpleNamespace(args=words)) == number


def test_a_number_that_was_asked_for_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    assert parallel.pytest_xdist_auto_num_workers(SimpleNamespace(args=["tests"])) is None
