"""Writing so that nothing is lost: beside the place, then moved into it (design rule 10). Standard library only.

One process makes a thing, the others wait and use it. What lasts for a moment (a file beside its place, a directory of
scratch) is held by a lock on itself. What nobody holds was left by a process that was killed: the next one removes it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.paths import own_place


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


def full_disk(error: OSError) -> str | None:
    """Say that a write failed for lack of room, and where; None where it failed otherwise."""
    reasons = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
    if isinstance(error, shutil.Error):  # of a copied directory: what failed, and why, for each file
        found = [(target, why) for _, target, why in error.args[0] for reason in reasons if reason in why]
        return f"cannot write {found[0][0]}: {found[0][1]}" if found else None
    if error.strerror not in reasons:
        return None
    return f"cannot write {error.filename or 'a file'}: {error.strerror}"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` (bytes); a reader sees the old file or the new one, never a part."""
    ensure_directory(path.parent)
    with written_beside(path) as stage:
        stage.write_bytes(content)


@contextmanager
def written_beside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A file that takes the place of ``path`` when the block ends well, and is removed otherwise.

    ``durable`` waits for the disk.
    """
    prefix = f".{path.name}.partial-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.glob(f"{glob.escape(prefix)}*"))
        stage, held = _held(lambda: _empty_file(prefix, path.parent))
        try:
            yield stage
            if durable:
                os.fsync(held)
            stage.chmod(0o644)
            stage.replace(path)
        except BaseException:
            stage.unlink(missing_ok=True)
            raise
        finally:
            os.close(held)
    except OSError as error:
        raise AlbError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def scratch_directory(what: str) -> Iterator[Path]:
    """A directory under the data directory that lasts for the block; ``what`` begins its name."""
    root = ensure_directory(own_place("scratch"))
    _sweep(root.iterdir())
    try:
        place, held = _held(lambda: Path(tempfile.mkdtemp(prefix=f"{what}-", dir=root)))
    except OSError as error:
        raise AlbError(f"cannot make a directory in {root}: {error.strerror}") from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(held)


def _empty_file(prefix: str, directory: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=prefix, dir=directory)
    os.close(descriptor)
    return Path(name)


def _held(make: Callable[[], Path]) -> tuple[Path, int]:
    """Make something, and hold it by the descriptor that is returned, for as long as this process lives."""
    while True:
        path = make()
        try:
            descriptor = _lock(path)
        except OSError:  # a disk that has no locks, where nothing is swept
            return path, os.open(path, os.O_RDONLY)
        if descriptor is not None:
            return path, descriptor
        # Another process took it for something left, between the two.


def _lock(path: Path) -> int | None:
    """Lock a file or directory itself; None where another process holds it, or has removed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _sweep(left: Iterable[Path]) -> None:
    """Remove what nobody holds."""
    for path in left:
        # Of another user, or on a disk that has no locks: it stays.
        with suppress(OSError):
            descriptor = _lock(path)
            if descriptor is not None:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
                os.close(descriptor)


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
