import os
import signal
import subprocess
import sys

import pytest
from command import typed

from alb_core.base.paths import suite_root
from alb_core.commits.builds.bridge import HOST_PYTHON


@pytest.mark.parametrize("words", [[], ["--help"], ["data"], ["history", "-h"]])
def test_help_is_help(capsys, words):
    assert typed(*words) == 0
    assert capsys.readouterr().out.startswith("Usage: alb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["history", "show"], "make it with `alb history releases`"),
        (["machines", "claim", "a/b"], "'a/b' is no machine name"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_changes_nothing(data, refused, words, said):
    assert said in refused(*words)
    assert not data.exists()


def test_an_interrupt_is_told_and_no_traceback():
    program = "import alb_core.cli.main as m, signal, os\n"
    program += (
        f"m.cli.main = lambda **_: os.kill(os.getpid(), {int(signal.SIGINT)})\nm.main([])\nimport time; time.sleep(5)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "alb: interrupted\n")


def test_the_bridge_leads_back_to_the_python_of_asv():
    bridge = suite_root() / "alb_core" / "commits" / "builds" / "bridge.py"
    command = [sys.executable, str(bridge), "--version"]
    environment = {key: value for key, value in os.environ.items() if key != HOST_PYTHON}
    lost = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert lost.returncode == 1 and HOST_PYTHON in lost.stderr
    found = subprocess.run(command, env={**environment, HOST_PYTHON: sys.executable}, capture_output=True, check=True)
    assert found.stdout.startswith(b"alb, version")
