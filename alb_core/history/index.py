"""The package index: which files a project has there, and their bytes.

The index is the one that pip is configured for. Everything that is taken from it is verified by sha256.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DigestMismatchError,
    DistributionPackage,
    NoSuchProjectError,
    PyPISimple,
    UnsupportedRepoVersionError,
    tqdm_progress_factory,
)

from alb_core.errors import AlbError
from alb_core.files import ensure_directory, sha256_of
from alb_core.history.lock import LockedFile
from alb_core.locks import locked

_FAULTS = (requests.RequestException, UnsupportedRepoVersionError, OSError)


def project_files(project: str) -> list[DistributionPackage]:
    """List the files that the index has of a project.

    Raises
    ------
    AlbError
        If the index cannot be reached, or does not know the project.
    """
    try:
        with PyPISimple(_endpoint()) as client:
            return list(client.get_project_page(project, timeout=60).packages)
    except NoSuchProjectError as error:
        raise AlbError(f"the package index has no project {project}: check pip's index-url") from error
    except _FAULTS as error:
        raise AlbError(_unreachable(f"the list of files of {project}", error)) from error


def fetch(files: dict[str, list[LockedFile]], cache: Path) -> list[Path]:
    """Bring locked files into the cache, and verify every one that is used.

    Parameters
    ----------
    files
        Locked files by project.
    cache
        Directory of the cache; a file there with the right sha256 is not asked for again, so that what was fetched
        once works without the index.

    Returns
    -------
    list of Path
        The files in the cache, in the order given.

    Raises
    ------
    AlbError
        If the index cannot be reached, no longer has a file, or sends other bytes than the lock says.
    """
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
                _download(known[file.name], file, path)
    return paths


def _endpoint() -> str:
    """Return pip's index-url where one is configured, else that of the public index."""
    url = os.environ.get("PIP_INDEX_URL")
    if not url:
        asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        url = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return url or PYPI_SIMPLE_ENDPOINT


def _verified(path: Path, file: LockedFile) -> bool:
    """Whether the cache has the file; one with other bytes (cut, altered) is removed and so fetched again."""
    if not path.is_file():
        return False
    if sha256_of(path) == file.sha256:
        return True
    print(f"alb: {path} has not the locked sha256; fetching it again", file=sys.stderr)
    path.unlink()
    return False


def _download(package: DistributionPackage, file: LockedFile, path: Path) -> None:
    """Bring one file beside its place, verify it, and move it there; the caller holds its lock."""
    ensure_directory(path.parent)
    part = path.with_name(f".{path.name}.part")
    progress = tqdm_progress_factory(desc=path.name, unit="B", unit_scale=True, leave=False, disable=None)
    try:
        with PyPISimple(_endpoint()) as client:
            client.download_package(package, part, verify=False, progress=progress, timeout=60)
        found = sha256_of(part)
        if found != file.sha256:
            raise AlbError(f"the package index sent {path.name} with sha256 {found}, the lock says {file.sha256}")
        part.replace(path)
    except (*_FAULTS, DigestMismatchError) as error:
        raise AlbError(_unreachable(path.name, error)) from error
    finally:
        part.unlink(missing_ok=True)


def _unreachable(what: str, error: Exception) -> str:
    return (
        f"cannot get {what} from the package index ({type(error).__name__}): check the network, or pip's index-url; "
        "what is cached still works"
    )
