"""One process makes a thing, the others wait and use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from alb_core.errors import AlbError
from alb_core.files import ensure_directory


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another process holds it, say so on stderr once and wait.

    The lock goes with the process that holds it, however that ends, so a killed command blocks nobody.
    """
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
