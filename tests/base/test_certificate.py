import hashlib
import json
import shutil
import subprocess

import pytest
from wheels import wheel_of

from alb_core.base import certificate
from alb_core.base.paths import suite_root

CHECK = (
    "import json; from alb_core.base.certificate import require_commit; print(json.dumps(require_commit()['version']))"
)


def wheel(directory, version, module="x = 1\n"):
    """A wheel of a made-up tiledbsoma on disk."""
    path = directory / f"tiledbsoma-{version}-py3-none-any.whl"
    path.write_bytes(wheel_of("tiledbsoma", version, module=module))
    return path


@pytest.fixture(scope="module")
def certified(tmp_path_factory, virtual_environment):
    """A directory with a virtual environment that has a made-up tiledbsoma 1.0.0 of commit aaaa, and its wheel."""
    root = tmp_path_factory.mktemp("certified")
    path = virtual_environment(root / "env")
    install(path, wheel(root, "1.0.0"))
    certify(path)
    return root


@pytest.fixture
def environment(certified, tmp_path):
    """A copy of that environment, beside a copy of the wheel; and its site-packages."""
    shutil.copytree(certified, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "env", site_packages(tmp_path / "env")


def site_packages(environment):
    return next((environment / "lib").glob("python3*")) / "site-packages"


def certify(environment):
    """Certify what an environment holds as tiledbsoma 1.0.0 of commit aaaa."""
    wheel = environment.parent / "tiledbsoma-1.0.0-py3-none-any.whl"
    found = {"commit": "a" * 40, **certificate.certify(site_packages(environment), wheel)}
    (environment / certificate.CERTIFICATE).write_text(json.dumps(found))


def install(environment, path):
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q", "--no-index", "--force-reinstall"]
    subprocess.run([*pip, str(path)], check=True)


def check(environment, commit, before=""):
    """Ask for the proof in a process of the environment; returns (stdout, stderr)."""
    suite = str(suite_root())
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-c", before + CHECK],
        env={"PYTHONPATH": suite, "ASV_COMMIT": commit, "ASV_ENV_DIR": str(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip().splitlines()[-1:]


def test_the_right_commit_is_proved(environment):
    path, _ = environment
    assert check(path, "a" * 40) == ('"1.0.0"', [])


def test_the_certificate_says_what_is_installed(environment, tmp_path):
    found = certificate.certificate(environment[0])
    content = (tmp_path / "tiledbsoma-1.0.0-py3-none-any.whl").read_bytes()
    assert found["wheel_sha256"] == hashlib.sha256(content).hexdigest()
    assert found["packages"]["tiledbsoma"] == "1.0.0" and "pip" in found["packages"]


def edited(path, directory):
    (site_packages(path) / "tiledbsoma" / "__init__.py").write_text("x = 9\n")


def without_record(path, directory):
    (site_packages(path) / "tiledbsoma-1.0.0.dist-info" / "RECORD").write_text("")
    certify(path)


def shadowed(path, directory):
    (directory / "shadow" / "tiledbsoma").mkdir(parents=True)
    (directory / "shadow" / "tiledbsoma" / "__init__.py").write_text("")
    return f"import sys; sys.path.insert(0, {str(directory / 'shadow')!r}); import tiledbsoma; "


@pytest.mark.parametrize(
    ("change", "commit", "words"),
    [
        (lambda path, directory: None, "b" * 40, ["b" * 40, "a" * 40]),
        (lambda path, directory: install(path, wheel(directory, "2.0.0", "x = 2\n")), "a" * 40, ["1.0.0", "2.0.0"]),
        (lambda path, directory: install(path, wheel(directory, "1.0.0", "x = 3\n")), "a" * 40, ["holds another"]),
        (edited, "a" * 40, ["tiledbsoma/__init__.py is not as"]),
        (without_record, "a" * 40, ["RECORD"]),
        (shadowed, "a" * 40, ["shadow"]),
    ],
    ids=["another commit", "another version", "another content", "edited", "no record", "shadowed"],
)
def test_what_is_not_that_commit_is_refused(environment, tmp_path, change, commit, words):
    before = change(environment[0], tmp_path) or ""
    _, [error] = check(environment[0], commit, before)
    assert all(word in error for word in words)


def test_without_a_certificate_or_asv_nothing_is_proved(environment):
    path, _ = environment
    (path / certificate.CERTIFICATE).unlink()
    assert "nothing proves" in check(path, "a" * 40)[1][0]
    assert "run by asv" in check(path, "")[1][0]
