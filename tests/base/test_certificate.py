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
    found = certificate.certify(site_packages(environment), "a" * 40, "release", "1.0.0", wheel)
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


def test_another_commit_than_asked_for_names_both(environment):
    _, [error] = check(environment[0], "b" * 40)
    assert "b" * 40 in error and "a" * 40 in error


def test_another_package_installed_since_names_both(environment, tmp_path):
    install(environment[0], wheel(tmp_path, "2.0.0", "x = 2\n"))
    _, [error] = check(environment[0], "a" * 40)
    assert "1.0.0" in error and "2.0.0" in error


def test_the_same_version_with_other_content_is_refused(environment, tmp_path):
    install(environment[0], wheel(tmp_path, "1.0.0", "x = 3\n"))
    _, [error] = check(environment[0], "a" * 40)
    assert "holds another tiledbsoma" in error


def test_an_edited_file_is_refused(environment):
    path, site = environment
    (site / "tiledbsoma" / "__init__.py").write_text("x = 9\n")
    _, [error] = check(path, "a" * 40)
    assert "tiledbsoma/__init__.py is not as" in error


def test_a_package_that_shadows_the_installed_one_is_refused(environment, tmp_path):
    shadow = tmp_path / "shadow" / "tiledbsoma"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("")
    before = f"import sys; sys.path.insert(0, {str(shadow.parent)!r}); import tiledbsoma; "
    _, [error] = check(environment[0], "a" * 40, before)
    assert "shadow" in error


def test_without_a_certificate_or_asv_nothing_is_proved(environment):
    path, _ = environment
    (path / certificate.CERTIFICATE).unlink()
    assert "nothing proves" in check(path, "a" * 40)[1][0]
    assert "run by asv" in check(path, "")[1][0]


def test_a_record_that_lists_nothing_proves_nothing(environment):
    path, site = environment
    record = site / "tiledbsoma-1.0.0.dist-info" / "RECORD"
    record.write_text("")
    certify(path)
    assert "RECORD" in check(path, "a" * 40)[1][0]
