"""Requests to the package index that pip is configured for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import requests
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DigestMismatchError,
    DistributionPackage,
    NoMetadataError,
    NoSuchProjectError,
    PyPISimple,
    UnsupportedRepoVersionError,
    tqdm_progress_factory,
)

from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, sha256_of
from alb_core.base.processes import run
from alb_core.commits.history.releases_lock import LockedFile

_FAULTS = (requests.RequestException, UnsupportedRepoVersionError, OSError)


def project_files(project: str) -> list[DistributionPackage]:
    """List the files that the index has of a project."""
    try:
        with PyPISimple(_endpoint()) as client:
            return list(client.get_project_page(project, timeout=60).packages)
    except NoSuchProjectError as error:
        raise AlbError(f"the package index has no project {project}: check pip's index-url") from error
    except _FAULTS as error:
        raise AlbError(_unreachable(f"the list of files of {project}", error)) from error


def metadata(package: DistributionPackage) -> bytes:
    """Return the metadata of a wheel that the index has beside it."""
    try:
        with PyPISimple(_endpoint()) as client:
            return client.get_package_metadata_bytes(package, verify=False, timeout=60)
    except (*_FAULTS, DigestMismatchError, NoMetadataError) as error:
        raise AlbError(_unreachable(f"the metadata of {package.filename}", error)) from error


def download(package: DistributionPackage, file: LockedFile, path: Path) -> None:
    """Fetch one file beside ``path``, verify it, and move it there; the caller holds its lock."""
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


def _endpoint() -> str:
    """Return pip's index-url where one is configured, else that of the public index."""
    url = os.environ.get("PIP_INDEX_URL")
    if not url:
        url = run([sys.executable, "-m", "pip", "config", "get", "global.index-url"]).text.strip()
    return url or PYPI_SIMPLE_ENDPOINT


def _unreachable(what: str, error: Exception) -> str:
    return (
        f"cannot get {what} from the package index ({type(error).__name__}): check the network, or pip's index-url; "
        "what is cached still works"
    )
