from __future__ import annotations

import getpass
import platform
import re
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from alb_core.sweeps import provenance, records


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the tool, of one commit."""
    path = tmp_path / "checkout"
    path.mkdir()
    monkeypatch.setattr(provenance, "suite_root", lambda: path)
    git(path, "init", "-q")
    (path / "file").write_text("one")
    git(path, "add", "file")
    git(path, "-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "-qm", "one")
    return path


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_the_tool(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(root, "rev-parse", "HEAD")
    assert provenance.commit_of_tool() == head
    (root / "not added").write_text("")
    assert provenance.commit_of_tool() == head, "data beside the code is no change of it"
    (root / "file").write_text("two")
    assert provenance.commit_of_tool() == f"{head}-dirty"


def test_no_commit_of_somebody_elses_checkout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = root / "lib" / "site-packages"
    inside.mkdir(parents=True)
    monkeypatch.setattr(provenance, "suite_root", lambda: inside)
    assert provenance.commit_of_tool() is None
    monkeypatch.setattr(provenance, "suite_root", lambda: root / "absent")
    assert provenance.commit_of_tool() is None


def test_outside_of_git_and_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "suite_root", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit_of_tool() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit_of_tool() is None


def test_the_software_is_what_is_installed() -> None:
    found = provenance.of_software()
    assert found["python_version"] == platform.python_version()
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", found["sha"] or "")
    for package in ("tiledbsoma", "pyarrow", "numpy", "scipy", "torch"):
        assert found[f"{package}_version"] == version(package)
    assert set(found) <= set(records.COLUMNS)


def test_the_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "_DMI", tmp_path)
    here = {"user": getpass.getuser(), "hostname": socket.gethostname()}
    assert provenance.of_computer() == {**here, "instance_id": None, "instance_type": None}
    for name, text in (("sys_vendor", "QEMU"), ("board_asset_tag", "none"), ("product_name", "Standard PC")):
        (tmp_path / name).write_text(text + "\n")
    assert provenance.of_computer() == {**here, "instance_id": None, "instance_type": None}
    for name, text in (("sys_vendor", "Amazon EC2"), ("board_asset_tag", "i-0abc"), ("product_name", "g4dn.8xlarge")):
        (tmp_path / name).write_text(text + "\n")
    assert provenance.of_computer() == {**here, "instance_id": "i-0abc", "instance_type": "g4dn.8xlarge"}
    assert set(provenance.of_computer()) <= set(records.COLUMNS)


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert provenance.of_computer()["user"] is None
