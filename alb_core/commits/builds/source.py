"""A source build: tiledb-soma's own build, run by pip, and what it needs on this machine."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import requests

from alb_core.base.errors import AlbError
from alb_core.base.processes import run
from alb_core.commits.history.git import Objects, git
from alb_core.commits.history.package import Layout

#: Local copies of TileDB and of libtiledbsoma, as tiledb-soma's own build script reads them.
PATHS = ("TILEDB_PATH", "TILEDBSOMA_PATH")


@dataclass(frozen=True)
class Need:
    """Something that a source build needs: whether it is here, and in words which, or what to do."""

    name: str
    here: bool
    said: str


def needs(objects: Objects, commit: str, layout: Layout) -> list[Need]:
    """Return what a source build of a commit needs, and whether it is on this machine."""
    return [_compiler(), _cmake(), _tiledb(_download(objects, commit, layout))]


def describe(found: list[Need]) -> str:
    """Return needs in one phrase, each with whether it is here."""
    return ", ".join(f"{need.name} ({'here' if need.here else f'missing: {need.said}'})" for need in found)


def paths_given() -> dict[str, str]:
    """Return the local copies that the environment names: they are part of what a build is."""
    return {name: os.environ[name] for name in PATHS if os.environ.get(name)}


def build(repository: Path, commit: str, layout: Layout, version: str, python: Path, directory: Path) -> Path:
    """Build a commit's wheel through pip, and leave it in a directory with its log."""
    log = directory / "build.log"
    print(f"alb: building {commit[:10]} from source, its log is {log}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="alb-source-") as name:
        stage = Path(name)
        _export(repository, commit, layout, stage)
        home = stage / layout.python
        # Read by the package's own version script, where there is no git around it.
        (home / "RELEASE-VERSION").write_text(f"{version}\n")
        command = [python, "-m", "pip", "wheel", "--verbose", "--no-deps", "--disable-pip-version-check"]
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(stage.parent)}
        environment.pop("PYTHONPATH", None)
        done = run([*command, "--wheel-dir", directory, home], log=log, env=environment)
    if done.status:
        raise AlbError(f"the source build of {commit} failed: {_complaint(log.read_text(errors='replace'))}")
    [wheel] = directory.glob("*.whl")
    return wheel


def _compiler() -> Need:
    named = os.environ.get("CXX")
    for name in [named.split()[0]] if named else ["c++", "g++", "clang++"]:
        if shutil.which(name):
            return Need("a C++ compiler", True, name)
    return Need("a C++ compiler", False, f"CXX={named} is not on PATH" if named else "c++, g++ or clang++ on PATH")


def _cmake() -> Need:
    found = shutil.which("cmake")
    return Need("cmake", found is not None, "on PATH" if found else "on PATH; `python -m pip install cmake` brings it")


def _tiledb(download: str | None) -> Need:
    given = paths_given()
    if "TILEDB_PATH" in given:
        root = Path(given["TILEDB_PATH"])
        wanted = {
            "include/tiledb": (root / "include" / "tiledb").is_dir(),
            "lib/libtiledb": any(root.glob("lib*/libtiledb.*")) or any(root.glob("lib/*/libtiledb.*")),
        }
        if download is not None and "TILEDBSOMA_PATH" not in given:
            # By it the build script finds TileDB; without it, it would download all the same.
            configuration = [*root.glob("lib*/cmake/TileDB*/TileDBConfig.cmake"), root / "TileDBConfig.cmake"]
            wanted["lib/cmake/TileDB/TileDBConfig.cmake"] = any(path.is_file() for path in configuration)
        lacking = [name for name, here in wanted.items() if not here]
        if lacking:
            return Need("TileDB", False, f"TILEDB_PATH={root} has no {lacking[0]}")
        return Need("TileDB", True, f"TILEDB_PATH={root}")
    if "TILEDBSOMA_PATH" in given:
        return Need("TileDB", False, "TILEDBSOMA_PATH is set: TILEDB_PATH must name the TileDB that it was built with")
    if download is None:
        return Need("TileDB", False, "set TILEDB_PATH to a directory with its include and lib")
    if _reachable(download):
        return Need("TileDB", True, f"its build script downloads it from {urlsplit(download).hostname}")
    return Need(
        "TileDB",
        False,
        f"its build script downloads it from {urlsplit(download).hostname}, which cannot be reached: check the "
        "network, or set TILEDB_PATH to a directory with its include and lib",
    )


def _download(objects: Objects, commit: str, layout: Layout) -> str | None:
    """Return where a commit's own build script would download TileDB from, if it says so."""
    entry = objects.find(objects.root(commit), layout.cpp)
    for path, blob in objects.files(entry[1]).items() if entry else []:
        if path.startswith("cmake/") and "TileDB" in path and path.endswith(".cmake"):
            found = re.search(r'"(https?://[^"\s]+)"', objects.blob(blob).decode(errors="replace"))
            if found:
                return found[1]
    return None


def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    return _answers(f"{parts.scheme}://{parts.netloc}/")


@cache
def _answers(url: str) -> bool:
    try:
        requests.head(url, timeout=5, allow_redirects=False)
    except requests.RequestException:
        return False
    return True


def _export(repository: Path, commit: str, layout: Layout, stage: Path) -> None:
    """Unpack what a build needs of a commit's tree; the rest of a repository (data, notebooks) may be large."""
    wanted = [layout.python, layout.cpp, str(Path(layout.script).parent)] if layout.python else []
    packed = stage / "tree.tar"
    git(repository, "archive", "--format=tar", f"--output={packed}", commit, "--", *wanted)
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(stage, filter="tar")
    except (OSError, tarfile.TarError) as error:
        raise AlbError(f"cannot unpack {commit} in {stage}: {error}") from error
    packed.unlink()


def _complaint(log: str) -> str:
    """Return the line of a build's log that says most: the first error of a compiler, else pip's last word."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in (r"(fatal )?error:|CMake Error|Error:", r"^ERROR"):
        for line, following in itertools.pairwise([*lines, ""]):
            if re.search(pattern, line) and "subprocess-exited" not in line and "exit code" not in line:
                # cmake tells what is wrong in the line after.
                return f"{line} {following}" if line.endswith("(message):") else line
    return lines[-1] if lines else "no word"
