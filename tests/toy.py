"""A small real package laid out like tiledb-soma: a C++ library built by cmake, and Python sources around it.

pip compiles it, asv's commands install it, and it passes a trial read, all without the package index: its build
backend lies in its own tree.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

needs_compiler = pytest.mark.skipif(
    not (shutil.which("cmake") and (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"))),
    reason="compiles with cmake",
)

LIBRARY = 'extern "C" int answer() { return 42; }\n'

#: The same, linked with TileDB.
LINKED = 'extern "C" int tiledb();\nextern "C" int answer() { return 41 + tiledb(); }\n'

CMAKE = """cmake_minimum_required(VERSION 3.15)
project(tiledbsoma CXX)
add_library(tiledbsoma SHARED src/answer.cc)
find_library(TILEDB tiledb PATHS $ENV{TILEDB_PATH}/lib NO_DEFAULT_PATH)
if(TILEDB)
  target_link_libraries(tiledbsoma PRIVATE ${TILEDB})
endif()
add_subdirectory(test)
"""

#: Tests whose own requirement cannot be had.
TESTS = """if(NOT DEFINED ENV{CATCH2})
  message(FATAL_ERROR "Catch2 cannot be had")
endif()
add_custom_target(build_tests)
"""

BLD = """#!/usr/bin/env bash
set -eu
cd "$(dirname "$0")/.."
cmake -S libtiledbsoma -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build
cmake --build build --target build_tests -j 2
"""

BACKEND = '''"""The build of the toy: cmake, then a wheel; as setuptools does for the real one."""
import base64, hashlib, os, subprocess, zipfile
from pathlib import Path

def build_wheel(directory, config_settings=None, metadata_directory=None):
    assert os.path.isdir(os.environ["TILEDB_PATH"])
    home, scripts = Path.cwd(), Path("dist_links/scripts").resolve()
    subprocess.run(["bash", str(scripts / "bld")], check=True)
    [library] = (scripts.parent / "build").glob("libtiledbsoma.*")
    version = Path("RELEASE-VERSION").read_text().strip()
    info = f"tiledbsoma-{version}.dist-info"
    files = {str(p.relative_to("src")): p.read_bytes() for p in Path("src").rglob("*.py")}
    files[f"tiledbsoma/{library.name}"] = library.read_bytes()
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: tiledbsoma\\nVersion: {version}\\n\\nToy.\\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n"
    digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    record = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    name = f"tiledbsoma-{version}-py3-none-any.whl"
    with zipfile.ZipFile(Path(directory) / name, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return name
'''

PYTHON = '''"""A toy of tiledbsoma: one kind of array, kept as JSON."""
import ctypes, json
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

__version__ = version("tiledbsoma")
[_path] = Path(__file__).parent.glob("libtiledbsoma.*")
library = ctypes.CDLL(str(_path))
assert library.answer() == 42

class SparseNDArray:
    def __init__(self, uri):
        self.path = Path(uri)
    @classmethod
    def create(cls, uri, *, type, shape):
        return cls(uri)
    @classmethod
    def open(cls, uri):
        return cls(uri)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def write(self, table):
        self.path.write_text(json.dumps(table.to_pydict()))
    def read(self, coords):
        self.coords = coords
        return self
    def tables(self):
        return self
    def concat(self):
        table = pa.table(json.loads(self.path.read_text()))
        keep = [i for i, row in enumerate(table["soma_dim_0"].to_pylist()) if row <= self.coords[0].stop]
        return table.take(keep)
'''

SETUP = """from setuptools import setup

setup(
    name="tiledbsoma",
    package_dir={{"": "src"}},
    install_requires={requires!r},
    python_requires=">=3.9",
    extras_require={{"dev": open("requirements_dev.txt").read()}},
)
"""

PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def tree(requires=("numpy", "somacore==1.0.8"), **changed):
    """Files of the public repository's layout, by path; ``changed`` replaces some by a short name."""
    content = {"python": PYTHON, "library": LIBRARY, "cmake": CMAKE, "bld": BLD, "pyproject": PYPROJECT, **changed}
    return {
        "README.md": "A toy.\n",
        "apis/python/setup.py": SETUP.format(requires=list(requires)),
        "apis/python/pyproject.toml": content["pyproject"],
        "apis/python/backend.py": BACKEND,
        "apis/python/requirements_dev.txt": "pytest  # tests\n",
        "apis/python/src/tiledbsoma/__init__.py": content["python"],
        "apis/python/src/tiledbsoma/io/__init__.py": "",
        "apis/python/tests/test_toy.py": "x = 1\n",
        "libtiledbsoma/CMakeLists.txt": content["cmake"],
        "libtiledbsoma/src/answer.cc": content["library"],
        "libtiledbsoma/test/CMakeLists.txt": TESTS,
        "scripts/bld": content["bld"],
    }


def distribution(files, version):
    """The same in the layout of a source distribution."""
    moved = {}
    for path, text in files.items():
        if path.startswith("apis/python/"):
            moved[path.removeprefix("apis/python/")] = text
        elif path.startswith(("libtiledbsoma/", "scripts/")):
            moved[f"dist_links/{path}"] = text
    return {**moved, "PKG-INFO": f"Version: {version}\n", "RELEASE-VERSION": f"{version}\n"}


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


class Repository:
    """A git repository of the toy, in the public repository's layout."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        links = path / "apis" / "python" / "dist_links"
        links.mkdir(parents=True)
        (links / "libtiledbsoma").symlink_to("../../../libtiledbsoma")
        (links / "scripts").symlink_to("../../../scripts")

    def git(self, *arguments):
        command = ["git", "-C", str(self.path), "-c", "user.name=n", "-c", "user.email=e@f", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, files, message="work"):
        write(self.path, files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def shared_library(root, name, code):
    """Bytes of a shared library of C++ code, whose own name has a version."""
    path = root / name
    command = ["c++", "-shared", "-fPIC", f"-Wl,-soname,{name}.2", "-x", "c++", "-", "-o", str(path)]
    subprocess.run(command, input=f'extern "C" {code}', text=True, check=True)
    return path.read_bytes()


#: A build script that counts its runs beside the local TileDB.
COUNTING = BLD + 'echo x >> "$TILEDB_PATH/count"\n'


def wheel(root, version, files):
    """Bytes of the wheel of the toy, compiled for real."""
    home = root / version
    write(home, distribution(files, version))
    (home / "tiledb" / "include" / "tiledb").mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "-w", str(root), str(home)]
    import os

    variables = {"TILEDB_PATH": str(home / "tiledb"), "CATCH2": "here"}
    subprocess.run(command, check=True, env={**os.environ, **variables})
    return (root / f"tiledbsoma-{version}-py3-none-any.whl").read_bytes()
