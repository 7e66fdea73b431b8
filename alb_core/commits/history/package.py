"""The package in a tree, whatever the tree's layout: native sources, Python sources, requirements.

The public repository keeps the library in ``libtiledbsoma`` and the Python package in ``apis/python``; a source
distribution has the package at the top and the library under ``dist_links``. Both become the same canonical mapping,
so that a commit can be held against a release. Tests, documentation, notebooks and what packing generates are left
out: they cannot change what is measured.

The packages of releases, from their locked source distributions, are computed once and kept in the cache of wheels.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.paths import wheels_root
from alb_core.commits.history import build_script
from alb_core.commits.history.git import Objects
from alb_core.commits.history.index import fetch
from alb_core.commits.history.releases_lock import Release

#: Raise it when "equal" gets another meaning: packages that were kept are then computed again.
FINGERPRINT_VERSION = 1

_NATIVE = frozenset((".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".ipp", ".in", ".cmake", ".pyx", ".pxd"))
_SILENT = frozenset((".md", ".py", ".svg", ".uml", ".ipynb", ".rst", ".png"))


@dataclass(frozen=True)
class Layout:
    """Where a tree keeps the package: directory of ``setup.py``, of the C++ library, and the library's build script."""

    python: str
    cpp: str
    script: str

    def within(self, name: str) -> str:
        """Return a path below the Python directory."""
        return f"{self.python}/{name}" if self.python else name


LAYOUTS = (
    Layout("apis/python", "libtiledbsoma", "scripts/bld"),
    Layout("", "dist_links/libtiledbsoma", "dist_links/scripts/bld"),
)


@dataclass(frozen=True)
class Package:
    """What a tree holds of tiledbsoma."""

    #: Digest of the native sources and of what builds them.
    native: str
    #: Git object name of each Python source, by its path in the wheel.
    python: Mapping[str, str]
    #: Requirements, as written.
    requires: tuple[str, ...]
    #: The Python versions that it asks for, or None.
    requires_python: str | None

    @cached_property
    def key(self) -> str:
        """Digest of all of it: trees with equal keys give the same build."""
        lines = [self.native, *map(str, sorted(self.requires)), str(self.requires_python)]
        lines += [f"{path} {blob}" for path, blob in sorted(self.python.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_FORMAT = Format(Package, "kept package of a release")


class Packages:
    """The packages of a repository's commits; a commit whose package was seen costs a look-up."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[tuple[str, ...], Package] = {}

    def of(self, commit: str) -> Package:
        """Return the package of a commit."""
        root = self._objects.root(commit)
        layout = self.layout(commit)
        wanted = (
            layout.within("src"),
            layout.cpp,
            layout.script,
            layout.within("setup.py"),
            layout.within("pyproject.toml"),
        )
        found = [self._objects.find(root, path) for path in wanted]
        key = tuple(entry[1] if entry else "" for entry in found)
        if key not in self._known:
            source, library, script, setup, pyproject = key
            self._known[key] = package(
                source=self._objects.files(source),
                library=self._objects.files(library) if library else {},
                script=script,
                setup=self._objects.blob(setup) if setup else None,
                pyproject=self._objects.blob(pyproject) if pyproject else None,
            )
        return self._known[key]

    def layout(self, commit: str) -> Layout:
        """Return where a commit's tree keeps the package."""
        root = self._objects.root(commit)
        for layout in LAYOUTS:
            home = self._objects.find(root, layout.within("src/tiledbsoma"))
            scripts = (self._objects.find(root, layout.within(name)) for name in ("setup.py", "pyproject.toml"))
            if home and any(scripts):
                return layout
        raise AlbError(
            f"commit {commit[:10]} holds no tiledbsoma: expected apis/python/src/tiledbsoma, as in the TileDB-SOMA "
            "repository, or src/tiledbsoma, as in its releases"
        )


def package(
    *,
    source: Mapping[str, str],
    library: Mapping[str, str],
    script: str,
    setup: bytes | None,
    pyproject: bytes | None,
) -> Package:
    """Return the canonical package from its parts."""
    said = build_script.read(setup, pyproject)
    native = [f"library/{path} {blob}" for path, blob in library.items() if _is_native_library(path)]
    native += [f"src/{path} {blob}" for path, blob in source.items() if _is_native_source(path)]
    text = "\n".join([*sorted(native), f"script {script}", f"said {said.native}"])
    python = {path: blob for path, blob in source.items() if _is_packaged(path, source)}
    return Package(hashlib.sha256(text.encode()).hexdigest(), python, said.requires, said.python)


def of_distribution(sdist: Path) -> Package:
    """Return the package of a source distribution."""
    layout = LAYOUTS[1]
    blobs: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    try:
        with tarfile.open(sdist, "r:gz") as archive:
            for member in archive:
                name = member.name.partition("/")[2]
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    content = file.read()
                    blobs[name] = hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()
                    if name in {"setup.py", "pyproject.toml"}:
                        texts[name] = content
    except (OSError, tarfile.TarError, EOFError) as error:
        raise AlbError(f"{sdist} is no source distribution ({error}): remove it and repeat the command") from error
    return package(
        source=_below(blobs, "src"),
        library=_below(blobs, layout.cpp),
        script=blobs.get(layout.script, ""),
        setup=texts.get("setup.py"),
        pyproject=texts.get("pyproject.toml"),
    )


def _below(files: Mapping[str, str], directory: str) -> dict[str, str]:
    return {path[len(directory) + 1 :]: blob for path, blob in files.items() if path.startswith(f"{directory}/")}


@cache
def _is_native_library(path: str) -> bool:
    """Whether a file of the C++ library can change what is compiled; its headers have no suffix here and there."""
    found = PurePosixPath(path)
    return found.parts[0] not in {"test", "doc"} and found.suffix not in _SILENT and not found.name.startswith(".")


@cache
def _is_native_source(path: str) -> bool:
    found = PurePosixPath(path)
    return found.suffix in _NATIVE or found.name == "CMakeLists.txt"


def _is_packaged(path: str, source: Iterable[str]) -> bool:
    """Whether a Python file goes into the wheel: every directory above it is a package."""
    if not path.endswith(".py") or "/" not in path:
        return False
    return all(f"{parent}/__init__.py" in source for parent in _parents(path))


@cache
def _parents(path: str) -> tuple[str, ...]:
    return tuple(str(parent) for parent in PurePosixPath(path).parents if parent.parts)


def of_releases(releases: list[Release]) -> tuple[dict[str, Package], list[str]]:
    """Return the package of each release, and the releases whose package is not known.

    Without the index, those whose source distribution or fingerprint is cached are known all the same.
    """
    root = wheels_root()
    lacking = [item for item in releases if not _kept(item).is_file() and not (root / item.sdist.name).is_file()]
    if lacking:
        print(f"alb: fetching the source distributions of {len(lacking)} releases, once", file=sys.stderr, flush=True)
    known: dict[str, Package] = {}
    unknown: list[str] = []
    fault: AlbError | None = None
    for release in releases:
        if fault is not None and release in lacking:
            unknown.append(release.version)
            continue
        try:
            known[release.version] = _of_release(release)
        except AlbError as error:
            print(f"alb: {error}", file=sys.stderr, flush=True)
            unknown.append(release.version)
            # Of an index that cannot be reached nothing more is asked: each attempt would take minutes.
            fault = error if error.__cause__ is not None else None
    return known, unknown


def _kept(release: Release) -> Path:
    return wheels_root() / "fingerprints" / f"{release.sdist.sha256}-{FINGERPRINT_VERSION}.json"


def _of_release(release: Release) -> Package:
    path = _kept(release)
    found = _FORMAT.find(path)
    if found is None:
        [sdist] = fetch({"tiledbsoma": [release.sdist]}, wheels_root())
        found = of_distribution(sdist)
        _FORMAT.write(path, found)
    return found
