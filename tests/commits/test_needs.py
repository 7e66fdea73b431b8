"""What a source build needs, told before it begins."""

import pytest
import toy

from alb_core.commits.builds import needs
from alb_core.commits.history.git import Objects
from alb_core.commits.history.package import LAYOUTS

FIND = 'SET(DOWNLOAD_URL "http://127.0.0.1:1/releases/download/2.30.0/tiledb-2.30.0.tar.gz")\n'
SPDLOG = 'URL "http://127.0.0.1:1/spdlog.zip"\n'

#: A compiler without <format>.
COMPILER = """#!/bin/sh
if [ "$1" = --version ]; then echo "c++ 12"; exit; fi
if grep -q "<format>"; then echo "<stdin>:1:10: fatal error: format: No such file or directory" >&2; exit 1; fi
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository, and a PATH with the compiler and git alone."""
    for name in ("TILEDB_PATH", "TILEDBSOMA_PATH", "CXX", "CMAKE_PREFIX_PATH", "CMAKE_GENERATOR"):
        monkeypatch.delenv(name, raising=False)
    found = toy.Repository(tmp_path / "repository")
    tools = tmp_path / "tools" / "bin"
    toy.write(tools, {"c++": COMPILER})
    (tools / "c++").chmod(0o755)
    for name in ("git", "grep", "sh"):
        (tools / name).symlink_to(toy.shutil.which(name))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(needs, "_SYSTEM", [])
    for each in (needs._cannot_compile, needs._version_of):
        each.cache_clear()
    return found


def found(repository, files):
    """What the build of a commit with some files needs, by name."""
    commit = repository.commit({**toy.tree(), **files})
    with Objects(repository.path) as objects:
        return {need.name: need for need in needs.needs(objects, commit, LAYOUTS[0])}


def test_a_header_that_the_compiler_lacks_is_named(repository):
    known = found(repository, {"libtiledbsoma/src/a.h": "#include <format>\n"})
    need = known["a C++20 compiler with <format>"]
    assert not need.here and "c++ says: <stdin>:1:10: fatal error: format" in need.said
    assert need.commands["apt"] == "apt install g++-13"
    # Tests are not compiled.
    known = found(repository, {"libtiledbsoma/src/a.h": "", "libtiledbsoma/test/a.h": "#include <format>\n"})
    assert known["a C++20 compiler"].here and needs.compiler_version() == "c++ 12"


def test_what_pip_brings_is_not_asked_for(repository):
    known = found(repository, {"apis/python/pyproject.toml": '[build-system]\nrequires = ["cmake>=3"]\n'})
    assert "cmake" not in known
    known = found(repository, {})
    assert not known["cmake"].here and known["cmake"].commands["pip"] == "python -m pip install cmake"
    assert not known["make"].here


def test_spdlog_is_found_where_cmake_looks_or_downloaded(repository, tmp_path):
    files = {"libtiledbsoma/cmake/Modules/FindSpdlog_EP.cmake": SPDLOG}
    known = found(repository, files)
    assert not known["spdlog"].here and "downloads it from 127.0.0.1, which cannot be reached" in known["spdlog"].said
    assert known["spdlog"].commands["dnf"] == "dnf install spdlog-devel"
    toy.write(tmp_path / "tools", {"lib/x86_64-linux-gnu/cmake/spdlog/spdlogConfig.cmake": ""})
    assert found(repository, files)["spdlog"].here


@toy.needs_compiler
def test_another_version_of_tiledb_is_told_and_taken(repository, tiledb):
    toy.write(tiledb, {"lib/cmake/TileDB/TileDBConfig.cmake": ""})
    path = "libtiledbsoma/cmake/Modules/FindTileDB_EP.cmake"
    assert found(repository, {path: FIND})["TileDB 2.30.0"].here
    assert found(repository, {path: FIND.replace("2.30.0", "2.28.1")})[
        "TileDB 2.28.1, of which TILEDB_PATH has 2.30.0"
    ].here
