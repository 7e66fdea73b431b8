"""The cache of wheels: what was built, by package, and how much of it is kept.

A build is a directory under ``data/wheels/builds``: the wheel, ``build.json``, which says what it is, and the log of
a source build. It is moved there whole, so what stands there is complete.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from alb_core.base import certificate
from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.base.paths import campaign_root, environment_roots, wheels_root
from alb_core.base.pythons import measured
from alb_core.commits.history.package import FINGERPRINT_VERSION
from alb_core.commits.history.releases_lock import Companion

#: Environment variable: size of the wheel cache in GiB.
LIMIT_VARIABLE = "ALB_WHEEL_CACHE"
_LIMIT_GIB = 10.0

RECORD = "build.json"

#: Suffix of the directory of a wheel that is compiled, and did not pass its trial read yet.
COMPILED = ".compiled"

#: What the base of libraries that are compiled here begins with.
SOURCE_BUILD = "source build of "


@dataclass(frozen=True)
class CachedBuild:
    """One finished build."""

    commit: str
    #: ``overlay`` or ``source``.
    kind: str
    #: Keys of the package, and of the libraries in the wheel (``Planner.native_key``).
    package: str
    native: str
    #: What the libraries come from: a release's version, or ``source build of <commit>``.
    base: str
    #: Of the wheel.
    version: str
    #: File name and digest of the wheel.
    wheel: str
    sha256: str
    #: What is installed with it.
    companions: tuple[Companion, ...]
    #: The TileDB that its libraries were compiled with (``local_tiledb.identity``); empty where a release's are taken.
    tiledb: str = ""

    @property
    def compiled(self) -> bool:
        """Whether its libraries were compiled here."""
        return self.base.startswith(SOURCE_BUILD)

    @property
    def path(self) -> Path:
        """The wheel's place in the cache."""
        return place_of(self.package) / self.wheel


@dataclass(frozen=True)
class Unfit:
    """That the libraries of a build do not carry a package."""

    reason: str


_BUILD = Format(CachedBuild, "record of a build", ("fingerprint", FINGERPRINT_VERSION))


@dataclass(frozen=True)
class Failure:
    """That a commit does not compile."""

    complaint: str
    #: The compiler that said so.
    compiler: str


_UNFIT = Format(Unfit, "record of unfit libraries")
_FAILURE = Format(Failure, "record of a failed build")


def place_of(package: str) -> Path:
    """Directory of the build of a package for the measured Python on this platform."""
    return _builds() / f"{package[:20]}-{measured().tag}-{sysconfig.get_platform()}"


def cached_builds() -> list[CachedBuild]:
    """Return every build in the cache for this platform; what cannot be read as one is none."""
    found = []
    for path in sorted(_builds().glob(f"*-{sysconfig.get_platform()}/{RECORD}")):
        one = _BUILD.find(path)
        if one is not None and one.path.parent == path.parent and one.path.is_file():
            found.append(one)
    return found


def record(build: CachedBuild, directory: Path) -> None:
    """Write what a build is beside its wheel."""
    _BUILD.write(directory / RECORD, build)


def verified(build: CachedBuild) -> bool:
    """Whether a build's wheel has the bytes that it was made with; one with others is removed, with a word."""
    if build.path.is_file() and sha256_of(build.path) == build.sha256:
        mark_used(build.path.parent)
        return True
    print(f"alb: {build.path} has not the sha256 that it was made with; making it again", file=sys.stderr, flush=True)
    shutil.rmtree(build.path.parent, ignore_errors=True)
    return False


def unfit(package: str, libraries: str) -> str | None:
    """Return why libraries (named by ``Planner.unfit_key``) do not carry a package, where that was found out."""
    found = _UNFIT.find(_unfit(package, libraries))
    return None if found is None else found.reason


def mark_unfit(package: str, libraries: str, reason: str) -> None:
    """Remember that libraries do not carry a package."""
    _UNFIT.write(_unfit(package, libraries), Unfit(reason))


def failed_log(package: str) -> Path:
    """The log of the failed build of a package."""
    return place_of(package).with_name(f"{place_of(package).name}.failed.log")


def failure(package: str, compiler: str) -> str | None:
    """Return why a package does not compile, where this compiler has said so and its log was not removed."""
    found = _FAILURE.find(_failure(package))
    if found is None or found.compiler != compiler or not failed_log(package).is_file():
        return None
    return found.complaint


def mark_failed(package: str, compiler: str, complaint: str) -> None:
    """Remember that a package does not compile."""
    _FAILURE.write(_failure(package), Failure(complaint, compiler))


def mark_used(*paths: Path) -> None:
    """Note that files are in use now: what was used least recently goes first."""
    for path in paths:
        try:
            os.utime(path)
        except OSError:
            continue  # A cache that may only be read: nothing is pruned there either.


def limit(text: str | None = None, name: str = "--to") -> int:
    """Return the size in bytes that a text says in GiB; without one, the cache's own limit."""
    if text is None:
        text, name = os.environ.get(LIMIT_VARIABLE) or str(_LIMIT_GIB), LIMIT_VARIABLE
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < 1e9:
        raise AlbError(f"{name} is {text!r}, expected the size of the wheel cache in GiB, such as 10")
    return int(size * 2**30)


def size() -> int:
    """Return the bytes that the cache takes."""
    return sum(_size(item) for item in _items())


def prune(most: int, keep: str = "") -> list[Path]:
    """Remove what was used least recently until the cache is within a limit; never what is in use.

    In use is what an environment of the suite has installed, and what another process is making or fetching.
    """
    _sweep()
    items = {item: _size(item) for item in _items()}
    total, removed, held = sum(items.values()), [], {*_installed(), keep}
    for item in sorted(items, key=lambda path: path.stat().st_mtime):
        if total <= most:
            break
        if any(path.name in held for path in (item, *item.glob("*.whl"))):
            continue
        if _remove(item):
            total -= items[item]
            removed.append(item)
    return removed


def trim(keep: str = "") -> None:
    """Bring the cache within its limit after something was added, with a word where something goes."""
    removed = prune(limit(), keep)
    if removed:
        print(f"alb: the wheel cache was over {limit() / 2**30:g} GiB; removed {len(removed)} items", file=sys.stderr)


def _builds() -> Path:
    return wheels_root() / "builds"


def _unfit(package: str, libraries: str) -> Path:
    return _builds() / "unfit" / f"{package[:20]}-{libraries[:20]}.json"


def _failure(package: str) -> Path:
    return _builds() / "failed" / f"{place_of(package).name}.json"


def _items() -> Iterator[Path]:
    """What the cache keeps or drops as one: files of the index, and builds."""
    root = wheels_root()
    for path in root.glob("*"):
        if path.is_file() and path.name.endswith((".whl", ".tar.gz")) and not path.name.startswith("."):
            yield path
    yield from (path.parent for path in _builds().glob(f"*/{RECORD}"))
    yield from _builds().glob(f"*{COMPILED}")
    yield from _builds().glob("*.failed.log")
    yield from (path.parent for path in root.glob("checkouts/*/*.whl") if not path.parent.name.startswith("."))


def _size(item: Path) -> int:
    files = item.rglob("*") if item.is_dir() else [item]
    return sum(path.stat().st_size for path in files if path.is_file())


def _installed() -> set[str]:
    """Names of the wheels that the suite's environments hold."""
    names: set[str] = set()
    roots = (*environment_roots(), *campaign_root().glob("*"))
    for path in chain.from_iterable(root.glob(f"*/{certificate.CERTIFICATE}") for root in roots):
        try:
            content = certificate.certificate(path.parent)
        except AlbError:
            continue
        names |= {content["wheel"], *content.get("companion_wheels", [])}
    return names


def _lock_of(item: Path) -> Path:
    """The lock that is held while an item is made or fetched."""
    return item.parent / f".{item.name.removesuffix(COMPILED)}.lock"


def _remove(item: Path) -> bool:
    """Remove an item whole, unless another process holds its lock."""
    try:
        with FileLock(_lock_of(item), timeout=0):
            if item.is_dir():
                # First out of sight: a reader sees a whole build or none.
                gone = item.with_name(f".{item.name}.partial-{os.getpid()}")
                item.replace(gone)
                shutil.rmtree(gone, ignore_errors=True)
            else:
                item.unlink(missing_ok=True)
    except (Timeout, OSError):
        return False
    return True


def _sweep() -> None:
    """Remove what killed processes left: parts of downloads and of builds that nobody holds."""
    for part in (*wheels_root().glob(".*.part"), *_builds().glob(".*.partial-*")):
        name = part.name.removesuffix(".part").partition(".partial-")[0].removeprefix(".")
        try:
            with FileLock(_lock_of(part.with_name(name)), timeout=0):
                shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue
