"""The npm registry: pinned packages, fetched once, verified each time, kept in a cache.

The registry is the one that npm is configured for; npm itself need not be there.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.processes import run

_COMPUTERS_FILE = Path("/etc/npmrc")
_ALGORITHMS = ("sha256", "sha384", "sha512")


@dataclass(frozen=True)
class NpmPackage:
    """A package at one version.

    ``integrity`` is the hash of its tarball, as the registry publishes it; ``licence`` its file, empty if it has none.
    """

    name: str
    version: str
    integrity: str
    licence: str = ""

    @property
    def tarball(self) -> str:
        """File name of the tarball, on the registry and in the cache."""
        return f"{self.name}-{self.version}.tgz"


def registry() -> str:
    """Return the address of the registry, without a slash at its end.

    npm's order: the environment, then its files. npm itself, where it is installed, knows them best, and its own
    default; without it, none is assumed.
    """
    environment = {name.lower(): value for name, value in os.environ.items()}
    found = environment.get("npm_config_registry") or _npm_says() or _files_say(environment)
    if not found:
        raise AlbError("no npm registry is configured: install npm, or set npm_config_registry to the address of one")
    try:
        parts = urlsplit(found)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise AlbError(f"npm's registry is {found!r}, expected an address, as https://HOST")
    return found.rstrip("/")


def fetch(package: NpmPackage, cache: Path) -> Path:
    """Return a package's tarball in the cache, verified; fetch it where it is missing."""
    path = cache / package.tarball
    if not _verified(path, package):
        with locked(cache / f".{package.tarball}.lock", f"it fetches {package.tarball}"):
            if not _verified(path, package):
                _download(package, path)
    return path


def read(tarball: Path, member: str) -> bytes:
    """Return the bytes of one file of a package."""
    try:
        with tarfile.open(tarball) as archive:
            file = archive.extractfile(f"package/{member}")
            if file is None:
                raise KeyError(member)
            return file.read()
    except KeyError as error:
        raise AlbError(f"{tarball} has no file {member}") from error
    except (tarfile.TarError, OSError) as error:
        raise AlbError(f"cannot read {tarball}: {error}") from error


def integrity_of(content: bytes, algorithm: str = "sha512") -> str:
    """Return a hash as npm and browsers write it: ``sha512-<base64>``."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def has_integrity(content: bytes, integrity: str) -> bool:
    """Whether bytes have a hash in that notation; False for one that is empty or of an unknown kind."""
    algorithm = integrity.partition("-")[0]
    return algorithm in _ALGORITHMS and integrity_of(content, algorithm) == integrity


def _npm_says() -> str | None:
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        return run([npm, "config", "get", "registry"], "npm does not say", timeout_seconds=30).text.strip()
    except AlbError:
        return None


def _files_say(environment: dict[str, str]) -> str | None:
    """Read what npm would: the user's file, then the computer's."""
    user = environment.get("npm_config_userconfig")
    for path in (Path(user) if user else Path.home() / ".npmrc", _COMPUTERS_FILE):
        try:
            lines = path.read_text().splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() == "registry":
                return os.path.expandvars(value.strip().strip("\"'"))
    return None


def _verified(path: Path, package: NpmPackage) -> bool:
    """Whether the cache has the tarball; one with other bytes (cut, altered) is fetched again."""
    if not path.is_file():
        return False
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AlbError(f"cannot read {path}: {error.strerror}") from error
    if has_integrity(content, package.integrity):
        return True
    print(f"alb: {path} has not the pinned hash; fetching it again", file=sys.stderr)
    return False


def _download(package: NpmPackage, path: Path) -> None:
    """Bring a tarball beside its place, verify it, and move it there; the caller holds its lock."""
    address = f"{registry()}/{package.name}/-/{package.tarball}"
    part = path.with_name(f".{path.name}.part")
    try:
        # Some servers name a tarball's own compression as the transfer's, and it would be undone.
        asked = requests.get(address, stream=True, timeout=(10, 60), headers={"Accept-Encoding": "identity"})
        with asked as answer, part.open("wb") as file:
            answer.raise_for_status()
            size = answer.headers.get("Content-Length", "")
            total = int(size) if size.isdigit() else None
            with tqdm(total=total, desc=path.name, unit="B", unit_scale=True, leave=False, disable=None) as progress:
                for piece in answer.iter_content(2**16):
                    file.write(piece)
                    progress.update(len(piece))
        content = part.read_bytes()
        if not has_integrity(content, package.integrity):
            raise AlbError(f"{_shown(address)} has the hash {integrity_of(content)}, expected {package.integrity}")
        part.replace(path)
    except requests.RequestException as error:
        raise AlbError(
            f"cannot get {_shown(address)} ({_reason(error)}): check the network, or npm's registry"
        ) from error
    except OSError as error:
        raise AlbError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _reason(error: requests.RequestException) -> str:
    answer = error.response
    return type(error).__name__ if answer is None else f"{answer.status_code} {answer.reason}"


def _shown(address: str) -> str:
    """Return an address without a user's name and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
