"""A wheel for a commit, and its installation into a benchmark environment.

asv asks for both by its ``build_command`` and ``install_command``. A commit whose tree is a release's is built by
taking that release's own wheel.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from alb_core import proof
from alb_core.errors import AlbError
from alb_core.files import ensure_directory, sha256_of, write_atomically
from alb_core.history import lock, repository
from alb_core.history.index import fetch
from alb_core.history.lock import LockedFile, Release
from alb_core.paths import history_root, suite_root, wheels_root

#: Python of the benchmark and writer environments.
PYTHON = (3, 11)

_STACK_MARKER = "alb-stack.sha256"


@dataclass(frozen=True)
class Build:
    """How a commit is built: ``kind`` (``release``) and the release it takes its files from."""

    commit: str
    kind: str
    release: Release


def plan(commit: str) -> Build:
    """Decide how a commit of the history is built, by comparing its tree with those of the releases.

    Raises
    ------
    AlbError
        If the history has no such commit, or it is no release.
    """
    root = history_root()
    tree = repository.tree_of(root, commit)
    releases = lock.load()
    for release in releases:
        if release.tree == tree:
            return Build(commit, "release", release)
    raise AlbError(
        f"commit {commit} of {root.name} cannot be built yet: its tree is that of no release "
        f"({releases[0].version} to {releases[-1].version}); measure a release, as `asv run {releases[-1].version}^!`"
    )


def release_wheels(release: Release) -> list[Path]:
    """Bring the wheels of a release for this platform into the cache, verified: its own first, then its companions'.

    Raises
    ------
    AlbError
        If the release has none for this platform, or one cannot be had.
    """
    wanted = {"tiledbsoma": [_for_this_platform(release.wheels, f"tiledbsoma {release.version}")]}
    for companion in release.companions:
        wanted[companion.name] = [_for_this_platform(companion.wheels, f"{companion.name} {companion.version}")]
    return fetch(wanted, wheels_root())


def place_wheel(commit: str, directory: Path) -> Path:
    """Leave the wheel of a commit, and no other, in asv's build cache directory."""
    own, *_ = release_wheels(plan(commit).release)
    ensure_directory(directory)
    for stale in directory.glob("*.whl"):
        stale.unlink()
    return Path(shutil.copy2(own, directory))


def install(commit: str, environment: Path, wheel: Path) -> None:
    """Install a commit's wheel and companions over the common stack, and leave the certificate of it.

    Nothing is asked of the index but the stack, and that once an environment.

    Parameters
    ----------
    commit
        Full object name.
    environment
        Directory of a virtual environment.
    wheel
        The commit's wheel, as :func:`place_wheel` left it.

    Raises
    ------
    AlbError
        If pip fails, or the environment's Python is another than the stack's.
    """
    build = plan(commit)
    (environment / proof.CERTIFICATE).unlink(missing_ok=True)
    install_stack(environment)
    own, *companions = release_wheels(build.release)
    if sha256_of(wheel) != sha256_of(own):
        raise AlbError(f"{wheel} is not the wheel of {commit}: remove asv's cache {wheel.parent} and run asv again")
    surplus = {item.name for release in lock.load() for item in release.companions}
    surplus -= {item.name for item in build.release.companions}
    if surplus:
        _pip(environment, "uninstall", "--yes", *sorted(surplus))
    # --no-deps and --no-index: what is installed is what is locked, whatever the index offers today.
    _pip(environment, "install", "--no-deps", "--no-index", "--force-reinstall", str(wheel), *map(str, companions))
    found = proof.certify(site_packages(environment), commit, build.kind, wheel)
    write_atomically(environment / proof.CERTIFICATE, (json.dumps(found, indent=1) + "\n").encode())


def site_packages(environment: Path) -> Path:
    """Return the ``site-packages`` of an environment.

    Raises
    ------
    AlbError
        If its Python is not 3.11.
    """
    path = environment / "lib" / f"python{PYTHON[0]}.{PYTHON[1]}" / "site-packages"
    if not path.is_dir():
        raise AlbError(f"{environment} is no environment of Python {PYTHON[0]}.{PYTHON[1]}: install that Python first")
    return path


def install_stack(environment: Path) -> None:
    """Install ``constraints.txt``, all of it and nothing else, unless this environment has it.

    Once an environment, about a minute; on a terminal pip shows how far it is.

    Raises
    ------
    AlbError
        If pip fails, or the environment's Python is another than the stack's.
    """
    site_packages(environment)
    stack = suite_root() / "constraints.txt"
    digest = sha256_of(stack)
    marker = environment / _STACK_MARKER
    if marker.is_file() and marker.read_text() == digest:
        return
    print(f"alb: installing the stack of {stack.name} in {environment}, once", file=sys.stderr, flush=True)
    _pip(environment, "install", "--no-deps", "--requirement", str(stack), shown=sys.stderr.isatty())
    write_atomically(marker, digest.encode())


def _pip(environment: Path, *arguments: str, shown: bool = False) -> None:
    command = [str(environment / "bin" / "python"), "-m", "pip", *arguments, "--disable-pip-version-check"]
    if shown:
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    else:
        done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise AlbError(f"pip {arguments[0]} failed in {environment}: {complaints[-1]}")


def _for_this_platform(wheels: tuple[LockedFile, ...], what: str) -> LockedFile:
    tags: list[Tag] = [*cpython_tags(PYTHON), *compatible_tags(PYTHON)]
    rank = {tag: number for number, tag in enumerate(tags)}
    fitting = []
    for file in wheels:
        ranks = [rank[tag] for tag in parse_wheel_filename(file.name)[3] if tag in rank]
        if ranks:
            fitting.append((min(ranks), file))
    if not fitting:
        raise AlbError(f"{what} has no wheel for Python {PYTHON[0]}.{PYTHON[1]} on this platform ({tags[0].platform})")
    return min(fitting, key=lambda pair: pair[0])[1]
