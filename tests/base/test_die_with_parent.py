"""What a command started ends with it, even by kill -9."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress

import psutil
import pytest
from command import TESTS, until

from alb_core.base import die_with_parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell of a parent's end")

#: A server like asv's: it forks a child, and both wait for ever.
SERVER = """
import os, sys, time, statistics
os.fork()
# At once, or the lines of the two would mix.
os.write(1, " ".join(map(str, (statistics.__file__, *sys.argv[1:], "\\n"))).encode())
time.sleep(600)
"""

#: asv's environment, which is not there yet.
ENVIRONMENT = (
    "from asv.config import Config; from alb_core.base.paths import suite_root; "
    "from alb_core.rounds.installed_commits import environment_at; os.chdir(suite_root()); "
    "conf = Config.load('asv.conf.json'); conf.pythons = ['%d.%d' % sys.version_info[:2]]; "
    "made = environment_at(conf, server.with_name('env'))"
)

#: What starts a process: how it does, and how many there are then, with the one that watches a program.
KINDS = {
    "what a program leaves": ("processes.run(['sh', '-c', 'setsid sleep 600 & sleep 600'])", 4),
    "a program beside this one": ("processes.Program(['sleep', '600']); time.sleep(600)", 2),
    "pip": ("environments.pip(sleeper, ['install'], 'cannot install')", 2),
    "asv's virtualenv": (f"{ENVIRONMENT}; made._executable = str(sleeper); made._setup()", 3),
    "asv's pip": (
        f"{ENVIRONMENT}; words = f'import os; os.execv({{str(sleeper)!r}}, [\"x\"])'; "
        "server.with_name('pip.py').write_text(words); "
        "os.environ['ASV_PYTHONPATH'] = str(server.parent); made.find_executable = lambda name: sys.executable; "
        "made._run_pip(['install'])",
        2,
    ),
    "canary": ("from alb_core.rounds import canary; canary.look(seconds=600)", 2),
    "kernels": (
        "from alb_core.loader.packing import kernel_cache; "
        "kernel_cache._PROGRAM = 'import time; time.sleep(600)'; kernel_cache.ensure()",
        2,
    ),
    "git": ("from alb_core.commits.history.git import Objects; objects = Objects(Path()); time.sleep(600)", 2),
    "forked": ("list(processes.iterate('test_processes:sleeping'))", 2),
    "workers of a loader": (
        "from alb_core.loader.training.workers import WorkerPool; from test_workers import work; "
        "next(WorkerPool(work, 2).map([('sleep', 600), ('sleep', 600)]))",
        2,
    ),
    "asv's build command": (
        "from alb_core.commits.builds import bridge; os.environ[bridge.HOST_PYTHON] = str(sleeper); "
        "subprocess.Popen([sys.executable, bridge.__file__]); time.sleep(600)",
        1,
    ),
    "asv's server": (
        "subprocess.Popen([sys.executable, *die_with_parent.script([str(server), 'word'])]); time.sleep(600)",
        2,
    ),
}
COMMAND = """
import os, subprocess, sys, time
from pathlib import Path
from alb_core.base import die_with_parent, environments, processes
sleeper, server = map(Path, sys.argv[1:])
"""


@pytest.fixture
def scripts(tmp_path):
    sleeper, server = tmp_path / "sleeper", tmp_path / "server.py"
    sleeper.write_text("#!/bin/sh\ntouch $0.runs\nexec sleep 600\n")
    sleeper.chmod(0o755)
    server.write_text(SERVER)
    return sleeper, server


def alive(found):
    running = []
    for process in found:
        with suppress(psutil.NoSuchProcess):
            running += [process] if process.status() != psutil.STATUS_ZOMBIE else []
    return running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_with_the_command(scripts, tmp_path, kind, number):
    statement, n_processes = KINDS[kind]
    here = os.pathsep.join(map(str, [TESTS, TESTS / "base", TESTS / "loader" / "training"]))
    variables = {**os.environ, "PYTHONPATH": here, "ALB_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-c", COMMAND + statement, *scripts]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE) as started, ExitStack() as stack:
        stack.callback(started.kill)
        process = psutil.Process(started.pid)
        trackers = "resource_tracker"  # Python's own, which ends when its pipe is closed

        def below():
            found = []
            for one in process.children(recursive=True):
                # A short one may end while it is looked at.
                with suppress(psutil.Error):
                    found += [one] if trackers not in " ".join(one.cmdline()) else []
            return found

        runs = scripts[0].with_name("sleeper.runs")
        assert until(lambda: len(below()) >= n_processes and runs.exists() == ("sleeper" in statement), 20), below()
        found = below()
        started.send_signal(number)
        started.wait()
        assert until(lambda: not alive(found), seconds=20), alive(found)


def test_a_script_sees_its_own_words_and_pythons_modules(scripts):
    words = die_with_parent.script([str(scripts[1]), "word"])
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as server:
        lines = [server.stdout.readline().split() for _ in range(2)]
        server.kill()
    assert all(line[1:] == ["word"] and "alb_core" not in line[0] for line in lines)


@pytest.mark.parametrize("words", [["server.py"], ["--program", "sleep", "600"]])
def test_who_comes_too_late_ends_at_once(scripts, words):
    command = [sys.executable, die_with_parent.__file__, str(os.getpid() + 1), *words]
    done = subprocess.run(command, cwd=scripts[1].parent, timeout=60, check=False)
    assert done.returncode in (-signal.SIGKILL, -signal.SIGTERM)


def test_a_program_ends_where_what_watches_it_is_killed():
    with subprocess.Popen(die_with_parent.program(["sleep", "600"])) as watching:
        process = psutil.Process(watching.pid)
        assert until(process.children)
        [program] = process.children()
        watching.kill()
    assert until(lambda: not alive([program]))


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
