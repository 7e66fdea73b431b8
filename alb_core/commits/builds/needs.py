"""What a source build of a commit needs, and whether this machine has it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import requests
from packaging.utils import canonicalize_name

from alb_core.base.pythons import include, measured
from alb_core.commits.builds import local_tiledb
from alb_core.commits.history.build_script import build_requires
from alb_core.commits.history.git import Objects
from alb_core.commits.history.package import Layout

#: A build of tiledb-soma's library that is there already: it would not be that of the commit.
FOREIGN = "TILEDBSOMA_PATH"


#: Where cmake looks for packages, whatever PATH says.
_SYSTEM = [Path("/usr"), Path("/usr/local")]


@dataclass(frozen=True)
class Need:
    """Something that a source build needs: whether it is here, and in words which, or what to do."""

    name: str
    here: bool
    said: str
    #: By package manager (``apt``, ``dnf``, ``brew``, ``pip``), the command that brings it.
    commands: Mapping[str, str] = field(default_factory=dict)


def needs(objects: Objects, commit: str, layout: Layout) -> list[Need]:
    """Return what a source build of a commit needs, and whether it is on this machine."""
    sources = _Sources(objects, commit, layout)
    found = [_compiler(sources.includes("<format>")), _python(), _make()]
    if "cmake" not in sources.brought:
        found.append(_cmake())
    spdlog = sources.download("spdlog")
    if spdlog is not None:
        found.append(_spdlog(spdlog))
    found.append(_tiledb(sources.download("tiledb")))
    if os.environ.get(FOREIGN):
        said = (
            "it names a library that is not the commit's: unset it; to measure what is built there, use "
            "`alb verdict --head-env` or `--head-wheel`"
        )
        found.append(Need(f"no {FOREIGN}", False, said))
    return found


def describe(found: list[Need]) -> str:
    """Return needs in one phrase, each with whether it is here."""
    return ", ".join(f"{need.name} ({'here' if need.here else f'missing: {need.said}'})" for need in found)


class _Sources:
    """What the sources of a commit say of what they are built with."""

    def __init__(self, objects: Objects, commit: str, layout: Layout) -> None:
        self._objects = objects
        root = objects.root(commit)
        library, python = objects.find(root, layout.cpp), objects.find(root, layout.within("src"))
        self._library = objects.files(library[1]) if library else {}
        self._compiled = {**self._library, **(objects.files(python[1]) if python else {})}
        script = objects.find(root, layout.within("pyproject.toml"))
        #: Names of what pip brings for the build.
        self.brought = {
            canonicalize_name(need.name) for need in build_requires(objects.blob(script[1]) if script else None)
        }

    def includes(self, header: str) -> bool:
        """Whether a C++ file that is compiled includes a header of the standard library."""
        wanted = re.compile(rb"(?m)^\s*#\s*include\s*" + re.escape(header).encode())
        return any(
            wanted.search(self._objects.blob(blob))
            for path, blob in self._compiled.items()
            if not path.startswith("test/") and path.endswith((".h", ".hpp", ".cc", ".cpp"))
        )

    def download(self, project: str) -> str | None:
        """Return where the library's build script downloads a project from, if it says so."""
        for path, blob in self._library.items():
            if path.startswith("cmake/") and path.endswith(".cmake") and project in path.lower():
                found = re.search(r'"(https?://[^"\s]+)"', self._objects.blob(blob).decode(errors="replace"))
                if found:
                    return found[1]
        return None


def _compiler(wants_format: bool) -> Need:
    named = os.environ.get("CXX")
    commands = {
        "apt": "apt install g++",
        "dnf": "dnf install gcc-c++",
        "brew": "xcode-select --install",
    }
    what = "a C++20 compiler" + (" with <format>" if wants_format else "")
    for words in _compilers():
        if words and shutil.which(words[0]):
            reason = _cannot_compile(tuple(words), "format" if wants_format else "concepts")
            if reason is None:
                return Need(what, True, words[0], commands)
            hint = "; g++ 13 and clang++ 17 have it: name one in CXX" if wants_format else ""
            if wants_format:
                commands = {**commands, "apt": "apt install g++-13", "brew": "brew install llvm"}
            return Need(what, False, f"{' '.join(words)} says: {reason}{hint}", commands)
    return Need(what, False, f"CXX={named} is not on PATH" if named else "c++, g++ or clang++ on PATH", commands)


def compiler_version() -> str:
    """Return what the compiler of source builds says of itself; empty where there is none."""
    for words in _compilers():
        if words and shutil.which(words[0]):
            return _version_of(tuple(words))
    return ""


def _compilers() -> list[list[str]]:
    named = os.environ.get("CXX")
    return [shlex.split(named)] if named else [["c++"], ["g++"], ["clang++"]]


@cache
def _version_of(command: tuple[str, ...]) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip()


@cache
def _cannot_compile(command: tuple[str, ...], header: str) -> str | None:
    """Return why a compiler does not take a C++20 program with a header; None where it does."""
    words = [*command, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
    program = f"#include <{header}>\nint main() {{}}\n"
    try:
        done = subprocess.run(words, input=program, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
    return None if done.returncode == 0 else (lines or [f"status {done.returncode}"])[0].strip()


def _python() -> Need:
    python = measured()
    here = (include(python) / "Python.h").is_file()
    commands = {"apt": f"apt install python{python}-dev", "dnf": f"dnf install python{python}-devel"}
    return Need("Python's headers", here, f"of Python {python}" if here else f"Python.h of Python {python}", commands)


def _make() -> Need:
    here = any(map(shutil.which, ("make", "gmake"))) or bool(os.environ.get("CMAKE_GENERATOR"))
    commands = {"apt": "apt install make", "dnf": "dnf install make", "brew": "xcode-select --install"}
    return Need("make", here, "on PATH", commands)


def _cmake() -> Need:
    commands = {
        "pip": "python -m pip install cmake",
        "apt": "apt install cmake",
        "dnf": "dnf install cmake",
        "brew": "brew install cmake",
    }
    here = shutil.which("cmake") is not None
    return Need("cmake", here, "on PATH" if here else f"on PATH; `{commands['pip']}` brings it", commands)


def _spdlog(download: str) -> Need:
    commands = {"apt": "apt install libspdlog-dev", "dnf": "dnf install spdlog-devel", "brew": "brew install spdlog"}
    for prefix in _prefixes():
        for home in ("lib*", "lib/*", "share"):
            for place in (f"{home}/cmake/spdlog", f"{home}/spdlog"):
                if any(prefix.glob(f"{place}/spdlog[-Cc]*onfig.cmake")):
                    return Need("spdlog", True, f"in {prefix}", commands)
    return _downloaded("spdlog", download, "install it", commands)


def _prefixes() -> Iterator[Path]:
    """Where cmake looks for packages: above the directories of PATH, and where its own variables say."""
    named = os.environ.get("CMAKE_PREFIX_PATH", "").split(os.pathsep)
    found = [Path(name).parent for name in os.environ.get("PATH", "").split(os.pathsep) if name.endswith("bin")]
    yield from dict.fromkeys([*(Path(name) for name in named if name), *found, *_SYSTEM])


def _tiledb(download: str | None) -> Need:
    wanted = re.search(r"/(\d+\.\d+\.\d+)/", download or "")
    name = f"TileDB {wanted[1]}" if wanted else "TileDB"
    given = local_tiledb.given()
    commands = {"brew": "brew install tiledb"}
    to_do = f"set {local_tiledb.VARIABLE} to a directory with its include and lib"
    if given is None:
        return Need(name, False, to_do, commands) if download is None else _downloaded(name, download, to_do, commands)
    lacking = _lacking(given, download is not None)
    if lacking:
        return Need(name, False, f"TILEDB_PATH={given.root} has no {lacking}", commands)
    said = f"TILEDB_PATH={given.root}"
    if wanted and given.version and given.version != wanted[1]:
        # It may do: what cannot be compiled with another one, the compiler says.
        name = f"{name}, of which TILEDB_PATH has {given.version}"
    return Need(name, True, said, commands)


def _lacking(given: local_tiledb.LocalTileDB, by_cmake: bool) -> str | None:
    """Return what a local copy of TileDB has not, of what a build needs."""
    if not (given.root / "include" / "tiledb").is_dir():
        return "include/tiledb"
    if not given.libraries:
        return f"lib/{local_tiledb.LIBRARY}"
    # By it the build script finds TileDB; without it, it would download all the same.
    places = [given.root, *given.root.glob("lib*/cmake/TileDB*"), *given.root.glob("lib/*/cmake/TileDB*")]
    if by_cmake and not any((place / "TileDBConfig.cmake").is_file() for place in places):
        return "lib/cmake/TileDB/TileDBConfig.cmake"
    return None


def _downloaded(name: str, url: str, otherwise: str, commands: Mapping[str, str]) -> Need:
    host = urlsplit(url).hostname
    said = f"its build script downloads it from {host}"
    if _answers(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"):
        return Need(name, True, said, commands)
    return Need(name, False, f"{said}, which cannot be reached: check the network, or {otherwise}", commands)


@cache
def _answers(url: str) -> bool:
    try:
        requests.head(url, timeout=5, allow_redirects=False)
    except requests.RequestException:
        return False
    return True
