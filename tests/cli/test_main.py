import os
import signal
import subprocess
import sys

import pytest

from alb_core.base.paths import DATA_VARIABLE, suite_root
from alb_core.cli.main import main
from alb_core.commits.builds.bridge import HOST_PYTHON


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A data directory that is not there yet."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


def status(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize("words", [[], ["--help"], ["data"], ["history", "-h"]])
def test_help_is_help(place, capsys, words):
    assert status(*words) == 0
    assert capsys.readouterr().out.startswith("Usage: alb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["data", "make", "mini", "--cells", "-5"], "cells is -5"),
        (["data", "make", "other", "--cells", "9", "--vars", "3000000000"], "vars is 3,000,000,000"),
        (["history", "show"], "make it with `alb history releases`"),
        (["machines", "claim", "a/b"], "'a/b' is no machine name"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_changes_nothing(place, capsys, words, said):
    assert status(*words) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert line.startswith("alb: ") and said in line and out == ""
    assert not place.exists()


def test_a_data_directory_that_is_a_file(place, capsys):
    place.write_text("mine")
    assert status("history", "releases") == 2
    assert f"{place} is a file" in capsys.readouterr().err
    assert place.read_text() == "mine"


def test_an_interrupt_is_told_and_no_traceback(place):
    program = "import alb_core.cli.main as m, signal, os\n"
    program += (
        f"m.cli.main = lambda **_: os.kill(os.getpid(), {int(signal.SIGINT)})\nm.main([])\nimport time; time.sleep(5)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "alb: interrupted\n")


def test_the_bridge_leads_back_to_the_python_of_asv(place):
    bridge = suite_root() / "alb_core" / "commits" / "builds" / "bridge.py"
    command = [sys.executable, str(bridge), "--version"]
    environment = {key: value for key, value in os.environ.items() if key != HOST_PYTHON}
    lost = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert lost.returncode == 1 and HOST_PYTHON in lost.stderr
    found = subprocess.run(command, env={**environment, HOST_PYTHON: sys.executable}, capture_output=True, check=True)
    assert found.stdout.startswith(b"alb, version")
