"""Writing so that nothing is lost: beside the place, then moved into it (design rule 10). Standard library only.

One process makes a thing, the others wait and use it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alb_core.base.errors import AlbError


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another process holds it, say so on stderr once and wait.

    The lock goes with the process that holds it, however that ends, so a killed command blocks nobody.
    """
    # Here: benchmarks take no lock, and their environment need not have it.
    from filelock import FileLock, Timeout

    ensure_directory(path.parent)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"alb: waiting for another process: {what}", file=sys.stderr, flush=True)
            lock.acquire()
    except OSError as error:
        raise AlbError(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ensure_directory(path: Path) -> Path:
    """Make a directory and its parents."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlbError(f"cannot make the directory {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise AlbError(f"cannot write in {path}: make it writable, or set ALB_DATA to a directory that is")
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` (bytes); a reader sees the old file or the new one, never a part."""
    ensure_directory(path.parent)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AlbError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def staged_directory(path: Path) -> Iterator[Path]:
    """A directory beside ``path`` that takes its place when the block ends well, and is removed otherwise.

    A process that is killed leaves its stage (``.<name>.partial-<pid>``) behind; the next one that stages the
    same place removes it, so the caller must hold that place's lock.
    """
    ensure_directory(path.parent)
    for stale in path.parent.glob(f".{path.name}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    stage = path.parent / f".{path.name}.partial-{os.getpid()}"
    try:
        stage.mkdir()
        try:
            yield stage
            stage.replace(path)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise
    except OSError as error:
        raise AlbError(f"cannot write {path}: {error.strerror or error}") from error
