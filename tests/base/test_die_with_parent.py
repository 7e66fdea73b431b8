"""What a command started ends with it, even by kill -9."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alb_core.base import die_with_parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell of a parent's end")

#: A server like asv's: it forks a child, and both wait for ever.
SERVER = """
import os, sys, time, statistics
os.fork()
# At once, or the lines of the two would mix.
os.write(1, " ".join(map(str, (os.getpid(), statistics.__file__, *sys.argv[1:], "\\n"))).encode())
time.sleep(600)
"""
#: A command that starts one.
COMMAND = """
import os, subprocess, sys, time
from alb_core.base import die_with_parent
subprocess.Popen([sys.executable, die_with_parent.__file__, str(os.getpid()), sys.argv[1], "word"])
time.sleep(600)
"""
#: A command that installs something, whose pip takes long.
INSTALL = """
import sys
from alb_core.base.environments import run
PIP = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True); time.sleep(600)"
run([sys.executable, "-c", PIP, sys.argv[1]], "install")
"""


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def server(tmp_path):
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_and_its_children_end_with_the_command(server, number):
    command = subprocess.Popen([sys.executable, "-c", COMMAND, server], stdout=subprocess.PIPE, text=True)
    lines = [command.stdout.readline().split() for _ in range(2)]
    pids = {int(line[0]) for line in lines}
    # The script sees its own words, and Python's modules, not those beside die_with_parent.
    assert len(pids) == 2 and all(line[2:] == ["word"] and "verdict" not in line[1] for line in lines)
    assert all(map(alive, pids))
    command.send_signal(number)
    command.wait()
    assert ended(pids)


def ended(pids):
    end = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_installs_an_environment_ends_with_the_command(tmp_path, number):
    line = tmp_path / "pid"
    command = subprocess.Popen([sys.executable, "-c", INSTALL, line])
    while not (line.exists() and line.read_text().endswith("\n")):
        assert command.poll() is None
        time.sleep(0.02)
    pid = int(line.read_text())
    assert alive(pid)
    command.send_signal(number)
    command.wait()
    assert ended({pid})


def test_who_comes_too_late_ends_at_once(server):
    done = subprocess.run(
        [sys.executable, die_with_parent.__file__, str(os.getpid() + 1), server], timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_polite_end_is_taken_as_ctrl_c():
    program = """
import os, signal
from alb_core.rounds.measuring_session import stop_like_interrupt
stop_like_interrupt()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "interrupted\n"
