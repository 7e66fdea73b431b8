"""Builds that users have already: what is measured is what they gave, whatever of it lies elsewhere."""

import shutil
import subprocess
import sys
import zipfile

import pytest
from test_install import proved
from toy import needs_compiler
from wheels import wheel_of

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.base.pythons import Python
from alb_core.commits.builds import compilers, given
from alb_core.commits.builds.install import site_packages

VERSION = "0.1.0"
LOADS = "import ctypes; __version__ = '{version}'; library = ctypes.CDLL({path!r})\n"


@pytest.fixture(autouse=True)
def stack(three_releases, monkeypatch):
    """No stack, and an index with companions."""
    monkeypatch.setattr(given, "stack_pins", dict)


@pytest.fixture
def environment(environment):
    """Nothing in it comes from the Python that runs the tests, which may have a tiledbsoma."""
    (site_packages(environment) / "host.pth").unlink()
    return environment


def wheel_file(directory, module=None, requires=(), version=VERSION, tags="py3-none-any", project="tiledbsoma"):
    directory.mkdir(exist_ok=True)
    path = directory / f"{project}-{version}-{tags}.whl"
    path.write_bytes(wheel_of(project, version, requires, module))
    return path


def editable(directory, virtual_environment, module=None):
    """An environment with an editable package: a path to where its sources are."""
    prefix = virtual_environment(directory / "theirs")
    with zipfile.ZipFile(wheel_file(directory, module)) as archive:
        archive.extractall(directory / "src")
    (site_packages(prefix) / "editable.pth").write_text(f"{directory / 'src'}\n")
    return prefix, directory / "src" / "tiledbsoma"


def library(directory, answer, name="libtiledb.so", *flags):
    directory.mkdir(exist_ok=True)
    (directory / "answer.cc").write_text(f'extern "C" int answer() {{ return {answer}; }}\n')
    path = directory / name
    path.unlink(missing_ok=True)
    subprocess.run(["c++", *flags, "-shared", "-fPIC", "-o", str(path), str(directory / "answer.cc")], check=True)
    return path


def test_a_wheel_is_installed_with_what_it_requires_and_named_by_its_digest(environment, tmp_path):
    path = wheel_file(tmp_path / "their", requires=["somacore==1.0.9"])
    build = given.of_wheel(path, "--head-wheel")
    digest = given.install(build, environment)
    assert digest == sha256_of(path) and given.is_digest(digest) and given.holds(environment, build)
    assert proved(environment, digest).stdout.split() == ["given", VERSION]
    assert certificate.certificate(environment)["packages"]["somacore"] == "1.0.9"
    other = given.of_wheel(wheel_file(tmp_path / "other", "__version__ = 'x'\n"), "")
    assert not given.holds(environment, other) and given.install(other, environment) != digest
    assert not given.holds(environment, build)


def test_a_package_is_measured_in_its_place_and_never_written_to(environment, tmp_path, virtual_environment):
    prefix, home = editable(tmp_path / "their", virtual_environment)
    build = given.of_environment(prefix, "--head-env")
    digest = given.install(build, environment)
    assert given.holds(environment, build) and proved(environment, digest).stdout.split() == ["given", VERSION]
    before = {path: path.read_bytes() for path in home.rglob("*.py")}
    (home / "__init__.py").write_text("__version__ = 'edited'\n")
    assert f"{home}/__init__.py changed since" in proved(environment, digest).stderr
    assert given.changed(environment) == str(home / "__init__.py") and not given.holds(environment, build)
    assert given.of_environment(prefix, "--head-env").digest != build.digest
    # The same files at another place are the same build.
    (home / "__init__.py").write_bytes(before[home / "__init__.py"])
    shutil.copytree(home.parent, tmp_path / "moved")
    (site_packages(prefix) / "editable.pth").write_text(f"{tmp_path / 'moved'}\n")
    assert given.of_environment(prefix, "--head-env").digest == build.digest
    # What is installed next neither replaces nor removes a file of theirs.
    one = given.install(given.of_wheel(wheel_file(tmp_path / "one"), ""), environment)
    assert proved(environment, one).stdout.split() == ["given", VERSION]
    assert {path: path.read_bytes() for path in home.rglob("*.py")} == before


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="looks at what a process has loaded in /proc")
def test_a_library_that_is_loaded_from_elsewhere_is_part_of_the_build(environment, tmp_path):
    path = library(tmp_path / "lib", 1)
    build = given.of_wheel(wheel_file(tmp_path / "their", LOADS.format(version=VERSION, path=str(path))), "")
    digest = given.install(build, environment)
    assert digest != build.digest and list(certificate.outside(environment)) == [str(path)]
    assert proved(environment, digest).stdout.split() == ["given", VERSION]
    library(path.parent, 2)
    assert f"{path} changed since" in proved(environment, digest).stderr
    assert given.changed(environment) == str(path) and not given.holds(environment, build)
    assert given.install(build, environment) not in {digest, build.digest}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"tags": "cp27-cp27m-win32"}, "is for another platform or Python"),
        ({"project": "somacore"}, "is a wheel of somacore, expected one of tiledbsoma"),
        ({"requires": ["numpy>=99"]}, "requires numpy>=99, the stack has numpy"),
    ],
)
def test_a_wheel_that_cannot_be_measured_is_refused(tmp_path, monkeypatch, file, said):
    monkeypatch.undo()
    with pytest.raises(AlbError, match=said):
        given.of_options("head", wheel_file(tmp_path / "x", **file), None)


def test_what_is_no_wheel_or_no_environment_is_refused(tmp_path, virtual_environment):
    (tmp_path / "text-1.0-py3-none-any.whl").write_text("x")
    (tmp_path / "text").write_text("x")
    for name, said in (("text-1.0-py3-none-any.whl", "is no wheel"), ("text", "is no wheel"), ("none", "no such file")):
        with pytest.raises(AlbError, match=f"--base-wheel .*{name}.* {said}"):
            given.of_options("base", tmp_path / name, None)
    with pytest.raises(AlbError, match=r"--base-env .* has no bin/python"):
        given.of_options("base", None, tmp_path)
    with pytest.raises(AlbError, match=r"cannot be imported: ModuleNotFoundError: No module named 'tiledbsoma'"):
        given.of_options("base", None, virtual_environment(tmp_path / "empty"))
    with pytest.raises(AlbError, match="are both given"):
        given.of_options("base", tmp_path, tmp_path)


def test_an_environment_of_another_python_is_refused(tmp_path, virtual_environment, monkeypatch):
    prefix, _ = editable(tmp_path / "their", virtual_environment)
    monkeypatch.setattr(given, "measured", lambda: Python(3, 9))
    with pytest.raises(AlbError, match=r"has Python 3\.1\d, and commits are measured under 3\.9"):
        given.of_environment(prefix, "--head-env")


@needs_compiler
def test_other_compilers_and_flags_are_told_where_they_are_known(tmp_path):
    def built(name, *flags):
        return compilers.built([library(tmp_path / name, 1, "libtiledbsoma.so", *flags)])

    plain, quick, slow = built("plain", "-O2"), built("quick", "-O2", "-g"), built("slow", "-g")
    assert compilers.differences(plain, plain) == compilers.differences(plain, quick) == ""
    assert "-O0" in compilers.differences(quick, slow) and "-O0" in compilers.differences(plain, slow)
    other = {"libtiledbsoma": compilers.Built(frozenset({"clang 99.0"}), frozenset())}
    assert "by clang 99.0 on HEAD" in compilers.differences(plain, other)
    # What is no library, or damaged, says nothing.
    damaged = tmp_path / "libtiledb.so"
    for content in (b"", b"\x7fELF\x02\x01" + b"\xff" * 80):
        damaged.write_bytes(content)
        assert compilers.differences(compilers.built([damaged]), {"libtiledb": other["libtiledbsoma"]}) == ""
