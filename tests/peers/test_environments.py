"""Environments of peers: real ones, of a made-up loader that is installed in no time."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheels import wheel_of

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.peers import environments
from alb_core.peers.environments import ENVIRONMENTS, PeerEnvironment, python_of

MODULE = (
    "import os, time\nPath = os.environ.get('TOY_FLAG')\nif Path:\n    open(Path, 'w').close()\n    time.sleep(60)\n"
)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A peer with an environment of its own, whose wheel lies on this disk; returns where its pins are."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "toyloader-1.0-py3-none-any.whl").write_bytes(wheel_of("toyloader", "1.0", module=MODULE))
    pins = tmp_path / "toy.txt"
    pins.write_text("toyloader==1.0\n")
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", {"toy": PeerEnvironment("toy", ("toyloader",))})
    return pins


def entries(tmp_path):
    return sorted(path.name for path in (tmp_path / "data" / "peers").iterdir())


def imports(python, program="import toyloader"):
    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False)
    return done.returncode == 0


def test_it_is_made_once_and_then_there(toy, tmp_path, monkeypatch, capsys):
    python = python_of("toy")
    assert imports(python)
    assert re.search(
        r"alb: installing the environment of toy in .*/peers/toy-[0-9a-f]{12}$", capsys.readouterr().err, re.M
    )
    shutil.rmtree(tmp_path / "wheels")
    assert python_of("toy") == python and capsys.readouterr().err == ""
    # Other pins are another environment, and nobody's running one is touched.
    toy.write_text("toyloader==1.0\n# another\n")
    with pytest.raises(AlbError):
        python_of("toy")
    assert imports(python)


def test_a_failure_says_whose_and_pips_last_line_and_leaves_nothing(toy, tmp_path):
    toy.write_text("toyloader==2.0\n")
    with pytest.raises(
        AlbError, match=r"^cannot install toy: ERROR: No matching distribution found for toyloader==2\.0$"
    ):
        python_of("toy")
    assert [name.endswith(".lock") for name in entries(tmp_path)] == [True]


def test_what_is_installed_and_does_not_import_is_no_environment(toy, tmp_path):
    broken = wheel_of("toyloader", "1.0", module="import torch_of_tomorrow\n")
    (tmp_path / "wheels" / "toyloader-1.0-py3-none-any.whl").write_bytes(broken)
    with pytest.raises(AlbError, match=r"cannot import toy: ModuleNotFoundError: No module named 'torch_of_tomorrow'"):
        python_of("toy")
    assert [name.endswith(".lock") for name in entries(tmp_path)] == [True]


KILLED = """
import sys
from pathlib import Path
from alb_core.peers import environments
environments.REQUIREMENTS = Path(sys.argv[1])
environments.ENVIRONMENTS = {"toy": environments.PeerEnvironment("toy", ("toyloader",))}
environments.python_of("toy")
"""


def test_a_killed_installation_is_made_again(toy, tmp_path):
    flag = tmp_path / "importing"
    variables = {**os.environ, "TOY_FLAG": str(flag), "PYTHONPATH": str(suite_root())}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, env=variables) as process:
        while not flag.exists():
            assert process.poll() is None
        process.kill()
    [place] = [path for path in (tmp_path / "data" / "peers").iterdir() if path.is_dir()]
    assert not (place / "complete").exists()
    (place / "left").touch()
    python = python_of("toy")
    assert python == place / "bin" / "python" and imports(python) and not (place / "left").exists()


def test_two_at_once_make_one(toy, capfd):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: python_of("toy"), range(2))
    said = capfd.readouterr().err
    assert first == second
    assert said.count("installing the environment of toy") == 1
    assert said.count("waiting for another process: it installs the environment of toy") == 1


def test_a_python_that_is_not_there_is_named(toy, tmp_path, monkeypatch):
    # The second is a switch between Pythons with none behind it.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python9.8").write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
    (programs / "python9.8").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    asked = PeerEnvironment("toy", ("toyloader",), ("python9.9", "python9.8"))
    monkeypatch.setattr(environments, "ENVIRONMENTS", {"toy": asked})
    with pytest.raises(AlbError, match=r"^toy needs a Python that this machine has none of: python9\.9 or python9\.8$"):
        python_of("toy")
    (programs / "python9.9").symlink_to(sys.executable)
    assert environments._interpreter("toy", asked)[0] == str(programs / "python9.9")


def test_an_unknown_peer_is_refused():
    with pytest.raises(AlbError, match="peer is 'merlin', expected one of tiledbsoma_ml, "):
        python_of("merlin")


@pytest.mark.parametrize("name", sorted({environment.name for environment in ENVIRONMENTS.values()}))
def test_pins_are_exact_and_torch_is_the_suites(name):
    path = environments.REQUIREMENTS / f"{name}.txt"
    pins = [Requirement(line) for line in path.read_text().splitlines() if not line.startswith("#")]
    for pin in pins:
        [specifier] = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
    assert "torch==2.13.0" in map(str, pins)
    assert len({pin.name.lower() for pin in pins}) == len(pins)


def test_every_file_of_pins_is_used_and_every_environment_has_one():
    found = {path.stem for path in Path(environments.__file__).with_name("requirements").iterdir()}
    assert found == {environment.name for environment in ENVIRONMENTS.values()}
