import subprocess
import sys
from pathlib import Path

import pytest
from command import dataset

from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE
from alb_core.cases import preflight

OFFLINE = "import socket; from alb_core.cases.preflight import stay_offline; stay_offline(); stay_offline()\n"


def refused(program):
    """Run a program in a process that stays offline; returns the last line of what it says."""
    done = subprocess.run([sys.executable, "-c", OFFLINE + program], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1:]


@pytest.mark.parametrize(
    "program",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_a_benchmark_cannot_reach_the_network(program):
    status, [line] = refused(program)
    assert status == 1 and "tried to reach the network" in line


def test_processes_of_this_machine_may_still_talk():
    program = (
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "import tempfile; name = tempfile.mktemp(); s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen()\n"
        "socket.socket(socket.AF_UNIX).connect(name)\n"
        "import multiprocessing as m; q = m.Queue(); q.put(1); assert q.get() == 1"
    )
    assert refused(program) == (0, [])


def test_a_missing_dataset_stops_everything(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(AlbError, match="alb data make mini"):
        preflight.ready("mini")


def test_outside_of_asv_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.delenv("ASV_COMMIT", raising=False)
    monkeypatch.setattr(preflight, "guard", lambda path: None)
    with pytest.raises(AlbError, match="run by asv"):
        preflight.ready("anything")


def test_a_dataset_with_a_flipped_byte_stops_everything(data, monkeypatch):
    path = Path(dataset(data / "soma" / "mine", n_obs=20, n_vars=9).uri)
    monkeypatch.delenv("ASV_COMMIT", raising=False)
    with pytest.raises(AlbError, match="run by asv"):
        preflight.ready("mine")
    [columns] = path.glob("ms/RNA/X/raw/__fragments/*/d1.tdb")
    content = columns.read_bytes()
    columns.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AlbError, match="other bytes than were written"):
        preflight.ready("mine")
