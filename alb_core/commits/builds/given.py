"""Builds that users have already, measured as they stand: a wheel, or the package of another environment.

No commit is proven of such a build. It is known by its digest, 64 hex digits where a commit has 40: of the wheel, or
of the package's files, and of each library that a process loads with it from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sysconfig
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from alb_core.base import certificate
from alb_core.base.certificate import PACKAGE
from alb_core.base.errors import AlbError, one_line
from alb_core.base.files import scratch_directory, sha256_of
from alb_core.base.paths import data_root
from alb_core.base.processes import NoEndError, run
from alb_core.base.pythons import Python, measured
from alb_core.commits.builds import overlay
from alb_core.commits.builds.install import put
from alb_core.commits.builds.wheels import companions_of, fitting
from alb_core.commits.history import releases_lock
from alb_core.commits.history.new_releases import stack_pins, unmet_requirements
from alb_core.commits.history.releases_lock import LockedFile

#: Hex digits of a commit's name; what has more is the digest of a build.
_COMMIT = 40

# Runs in the user's Python, and in the environment that measures: the standard library alone.
_PROGRAM = """
import importlib.metadata, json, os, sys, sysconfig
import tiledbsoma
own = importlib.metadata.distribution("tiledbsoma")
loaded = set()
if os.path.exists("/proc/self/maps"):
    with open("/proc/self/maps") as maps:
        loaded = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
print(json.dumps({
    "python": sys.version_info[:2],
    "metadata": own.read_text("METADATA") or own.read_text("PKG-INFO"),
    "home": os.path.realpath(os.path.dirname(tiledbsoma.__file__)),
    "loaded": sorted(loaded),
    "stdlib": sysconfig.get_path("stdlib"),
}))
"""

#: Seconds that an import may take.
_TIMEOUT = 120

#: Where libraries of the system lie; those of TileDB count wherever they lie.
_SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")


@dataclass(frozen=True)
class GivenBuild:
    """A wheel, or the package of an environment."""

    #: In words.
    name: str
    path: Path
    #: Of the wheel, or of the package's files.
    digest: str
    #: As its METADATA says.
    metadata: str
    version: str
    requires: tuple[str, ...]
    #: The package's directory where it is measured in its place.
    home: Path | None = None
    #: Of which it was built here.
    commit: str = ""


def is_digest(commit: str) -> bool:
    """Whether what stands for a commit is the digest of a build."""
    return len(commit) > _COMMIT


def of_options(side: str, wheel: Path | None, prefix: Path | None) -> GivenBuild | None:
    """Read the build that options name for ``base`` or ``head``."""
    if wheel is not None and prefix is not None:
        raise AlbError(f"--{side}-wheel {wheel} and --{side}-env {prefix} are both given: leave one of them out")
    if wheel is not None:
        return of_wheel(wheel, f"--{side}-wheel {wheel}")
    return None if prefix is None else of_environment(prefix, f"--{side}-env {prefix}")


def of_wheel(path: Path, what: str) -> GivenBuild:
    """Read a wheel; refuse what cannot be measured here. ``what`` names it."""
    if not path.is_file():
        raise AlbError(f"{what}: there is no such file, expected a wheel of {PACKAGE}")
    try:
        project, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            metadata = archive.read(f"{'-'.join(path.name.split('-')[:2])}.dist-info/METADATA").decode()
    except (InvalidWheelFilename, InvalidVersion, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise AlbError(f"{what} is no wheel: {one_line(error)}; expected a wheel of {PACKAGE}") from error
    if project != PACKAGE:
        raise AlbError(f"{what} is a wheel of {project}, expected one of {PACKAGE}")
    if fitting((LockedFile(path.name, ""),)) is None:
        here = f"{sysconfig.get_platform()} and Python {measured()}, which commits are measured under"
        raise AlbError(f"{what} is for another platform or Python, expected {here}")
    name = f"wheel {path.name}"
    return GivenBuild(name, path.absolute(), sha256_of(path), metadata, str(version), _requires(metadata, what))


def of_environment(prefix: Path, what: str) -> GivenBuild:
    """Find the package that an environment imports as tiledbsoma; refuse what cannot be measured here."""
    python = prefix.absolute() / "bin" / "python"
    if not python.is_file():
        raise AlbError(f"{what} has no bin/python: expected an environment that has {PACKAGE} installed, or editable")
    found = _imported(python, what)
    theirs, ours = Python(*found["python"]), measured()
    if theirs != ours:
        raise AlbError(f"{what} has Python {theirs}, and commits are measured under {ours}: make one with {ours}")
    metadata, home = found["metadata"], Path(found["home"])
    if home.is_relative_to(data_root().resolve()):
        raise AlbError(f"{what} is one of the suite's own environments: name the commit that it holds")
    try:
        version = str(Version(parse_email(metadata)[0].get("version", "")))
    except InvalidVersion as error:
        raise AlbError(f"{what} has {PACKAGE} of no version: {error}") from error
    digest = _digest(f"{path.relative_to(home)} {sha256_of(path)}" for path in _files(home))
    name = f"environment {prefix}"
    return GivenBuild(name, prefix.absolute(), digest, metadata, version, _requires(metadata, what), home)


def holds(place: Path, build: GivenBuild) -> bool:
    """Whether an environment of the suite has a build as it is now."""
    found, home = certificate.find(place) or {}, None if build.home is None else str(build.home)
    return (found.get("given"), found.get("home")) == (build.digest, home) and changed(place) is None


def changed(place: Path) -> str | None:
    """Return a file outside of an environment that has not the bytes that its build had as it was installed."""
    for path, (digest, *_) in certificate.outside(place).items():
        if not Path(path).is_file() or sha256_of(Path(path)) != digest:
            return path
    return None


def install(build: GivenBuild, place: Path) -> str:
    """Install a build and its companions over the common stack of an environment; return its digest, libraries and all.

    A package that is measured in its place is found through a link, in a directory that pip does not write to: no file
    of the user's is listed anywhere as installed, and so none is ever replaced or removed.
    """
    beside = companions_of(build.requires, releases_lock.load(), None, build.name)
    with scratch_directory("given") as stage:
        found = put(place, build.path if build.home is None else _linking_wheel(build, place, stage), beside)
    own = [] if build.home is None else _files(build.home)
    libraries = sorted(_elsewhere(_imported(place / "bin" / "python", build.name), place) - set(own))
    outside = {str(path): [sha256_of(path), *certificate.stamp(str(path))] for path in (*own, *libraries)}
    digest = build.digest
    if libraries:
        digest = _digest([digest, *sorted(f"{path.name} {outside[str(path)][0]}" for path in libraries)])
    held = {} if build.home is None else {"home": str(build.home)}
    content = {"commit": digest, "kind": "given", "base": build.name, "given": build.digest, "outside": outside}
    certificate.save(place, {**found, **content, **held})
    return digest


def _imported(python: Path, what: str) -> dict[str, Any]:
    """What a Python imports as tiledbsoma, and the libraries that it has loaded then."""
    try:
        done = run([python, "-I", "-c", _PROGRAM], timeout_seconds=_TIMEOUT)
    except NoEndError as error:
        raise AlbError(f"{what}: its {PACKAGE} is not imported within {_TIMEOUT} s") from error
    if done.status:
        raise AlbError(f"{what}: its {PACKAGE} cannot be imported: {done.reason}")
    found: dict[str, Any] = json.loads(done.text.splitlines()[-1])
    return found


def _requires(metadata: str, what: str) -> tuple[str, ...]:
    """What a build requires; refused where the stack cannot hold it."""
    requires = tuple(parse_email(metadata)[0].get("requires_dist", []))
    unmet_requirements(requires, stack_pins(), what)
    return requires


def _files(home: Path) -> list[Path]:
    """Files of a package, without what Python compiles itself."""
    return [path for path in sorted(home.rglob("*")) if path.is_file() and path.suffix != ".pyc"]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _elsewhere(imported: dict[str, Any], place: Path) -> set[Path]:
    """Loaded libraries that are neither of an environment, nor of its Python or the system."""
    own = (f"{place.resolve()}/", f"{imported['stdlib']}/")

    def counts(path: Path) -> bool:
        if str(path).startswith(own):
            return False
        return "tiledb" in path.name or not (str(path).startswith(_SYSTEM) or path.name.startswith("libpython"))

    return {path for path in map(Path, imported["loaded"]) if counts(path)}


def _linking_wheel(build: GivenBuild, place: Path, stage: Path) -> Path:
    """Make a wheel that holds a path to the link to a package, and nothing of the package itself."""
    link = place / "given" / PACKAGE
    shutil.rmtree(link.parent, ignore_errors=True)
    link.parent.mkdir()
    link.symlink_to(build.home or "")
    home, wheel = f"{PACKAGE}-{build.version}.dist-info", stage / f"{PACKAGE}-{build.version}-py3-none-any.whl"
    files = {
        f"{PACKAGE}-given.pth": f"{link.parent}\n".encode(),
        f"{home}/METADATA": build.metadata.encode(),
        f"{home}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    overlay.write(wheel, files)
    return wheel
