"""Files of the package index, kept in a cache and verified by sha256.

The index is asked for what the cache lacks by ``index_client``, which is imported when it is needed: its libraries take
a quarter of what ``alb`` would take to start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alb_core.base.errors import AlbError
from alb_core.base.files import locked, sha256_of
from alb_core.commits.history.releases_lock import LockedFile

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage


def project_files(project: str) -> list[DistributionPackage]:
    """List the files that the index has of a project."""
    from alb_core.commits.history import index_client

    return index_client.project_files(project)


def metadata(package: DistributionPackage) -> bytes:
    """Return the metadata of a wheel of the index, without the wheel."""
    from alb_core.commits.history import index_client

    return index_client.metadata(package)


def fetch(files: dict[str, list[LockedFile]], cache: Path) -> list[Path]:
    """Bring locked files into the cache, and verify every one that is used."""
    paths: list[Path] = []
    for project, wanted in files.items():
        known: dict[str, DistributionPackage] = {}
        for file in wanted:
            path = cache / file.name
            paths.append(path)
            if _verified(path, file):
                continue
            with locked(cache / f".{file.name}.lock", f"it fetches {file.name}"):
                if _verified(path, file):
                    continue
                known = known or {package.filename: package for package in project_files(project)}
                if file.name not in known:
                    raise AlbError(
                        f"the package index no longer has {file.name}: put a copy with sha256 {file.sha256} at {path}"
                    )
                from alb_core.commits.history import index_client

                index_client.download(known[file.name], file, path)
    return paths


def _verified(path: Path, file: LockedFile) -> bool:
    """Whether the cache has the file; one with other bytes (cut, altered) stays until another takes its place."""
    if not path.is_file():
        return False
    if sha256_of(path) == file.sha256:
        return True
    print(f"alb: {path} has not the locked sha256; fetching it again", file=sys.stderr)
    return False
