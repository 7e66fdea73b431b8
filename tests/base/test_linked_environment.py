"""The second side's environment, linked from the first."""

import json
import subprocess
import sys

import pytest

from alb_core.base.environments import copy_linked
from alb_core.base.errors import AlbError


@pytest.fixture
def environment(tmp_path):
    source = tmp_path / "env" / "abc"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", source], check=True)
    package = next(source.glob("lib/python*/site-packages")) / "stack"
    package.mkdir()
    (package / "__init__.py").write_text("import sys\nWHERE = sys.prefix\n")
    script = source / "bin" / "tool"
    script.write_text(f"#!{source}/bin/python\nimport stack; print(stack.WHERE)\n")
    script.chmod(0o755)
    (source / "asv-install-status.json").write_text('{"commit_hash": "a"}')
    (source / "asv-build-cache" / "commit").mkdir(parents=True)
    return source


def output(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("links", [True, False])
def test_it_is_an_environment_of_its_own(environment, tmp_path, monkeypatch, links):
    def refuse(*_):
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("alb_core.base.environments.os.link", refuse)
    target = tmp_path / "duo" / "abc"
    copy_linked(environment, target)
    assert output(target / "bin" / "python", "-c", "import stack; print(stack.WHERE)") == str(target)
    # Its scripts run under its own Python.
    assert output(target / "bin" / "tool") == str(target)
    assert not (target / "asv-build-cache").exists()
    [source_file, target_file] = [next(root.glob("lib/**/stack/__init__.py")) for root in (environment, target)]
    assert (source_file.stat().st_ino == target_file.stat().st_ino) == links
    # What asv writes in place shows in one alone.
    (target / "asv-install-status.json").write_text('{"commit_hash": "b"}')
    assert json.loads((environment / "asv-install-status.json").read_text()) == {"commit_hash": "a"}


def test_what_is_cut_short_leaves_nothing(environment, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alb_core.base.environments.shutil.copytree", full)
    target = tmp_path / "duo" / "abc"
    with pytest.raises(AlbError, match="No space left"):
        copy_linked(environment, target)
    assert list(target.parent.iterdir()) == []
