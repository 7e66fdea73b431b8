"""One epoch of one loader, in a process and an environment of its own: ``python -m alb_core.peers.child``.

A line of JSON on stdin says what to do (:class:`Task`). On stdout come lines of JSON: ``{"rows": ...}`` now and
then, and last what was measured.

Beside what the loader imports it needs the standard library, numpy and torch alone.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alb_core.base import memory
from alb_core.base.errors import AlbError, one_line
from alb_core.peers.interface import PeerBatch, Wanted

#: Seconds between two lines that tell of progress.
_TELL_EVERY_SECONDS = 0.25

#: Distributions whose versions a figure depends on.
_VERSIONS = ("tiledbsoma", "torch", "numpy", "anndata")


@dataclass(frozen=True)
class Task:
    """What the process is asked for."""

    #: The loader's module, with the attributes of :class:`alb_core.peers.interface.Peer`.
    module: str
    #: The epoch. Its options go over those of the setting.
    wanted: Wanted
    #: A name in the loader's ``OPTIONS``.
    setting: str = "default"
    #: Directory of what must come (:class:`alb_core.peers.counting.ExpectedRows`); None to describe the loader alone.
    expected: str | None = None
    #: Only the first rows (None for all), so many times.
    rows: int | None = None
    passes: int = 1
    #: Milliseconds that the consumer sleeps for each batch, as one does that waits for a GPU.
    consumer_ms: float = 0.0
    #: Compute the checksum of what came.
    check: bool = False

    def as_line(self) -> str:
        """Return the task as it is sent."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> Task:
        """Read what :meth:`as_line` has written."""
        given = json.loads(line)
        return cls(**{**given, "wanted": Wanted(**given["wanted"])})


def main() -> int:
    """Do what the line on stdin says; return the exit status."""
    # What a library prints must not stand between the lines of results.
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    memory.be_killed_first()
    line = sys.stdin.readline()

    def tell(**content: Any) -> None:
        results.write(json.dumps(content) + "\n")

    try:
        tell(**_done(Task.of_line(line), tell))
    except BaseException as error:
        traceback.print_exc()
        kind = "memory" if memory.is_exhaustion(error) else "error"
        words = one_line(error)
        tell(failed=words if isinstance(error, AlbError) else f"{type(error).__name__}: {words}", kind=kind)
        return 1
    return 0


def _done(task: Task, tell: Callable[..., None]) -> Mapping[str, Any]:
    """Describe the loader, or measure it."""
    peer = importlib.import_module(task.module)
    about = {"name": peer.NAME, "version": _version(peer.DISTRIBUTION), "copies": list(peer.COPIES)}
    about |= {"settings": list(peer.OPTIONS), "versions": _versions(), "python": platform.python_version()}
    if task.expected is None:
        return {**about, "unsupported": peer.unsupported(task.wanted)}
    if task.setting not in peer.OPTIONS:
        return {**about, "unsupported": f"has no setting {task.setting}"}
    options = {**peer.OPTIONS[task.setting], **task.wanted.options}
    wanted = replace(task.wanted, options=options)
    reason = peer.unsupported(wanted)
    if reason is not None:
        return {**about, "unsupported": reason}
    return {**about, "options": options, "unsupported": None, **measured(task, lambda: peer.batches(wanted), tell)}


def measured(
    task: Task, batches: Callable[[], Iterator[PeerBatch]], tell: Callable[..., None] = lambda **_: None
) -> dict[str, Any]:
    """Run the epoch, and return what it delivered and how long it took, as JSON holds it."""
    from alb_core.cases.consume import consume
    from alb_core.peers.counting import ExpectedRows, LoaderCounts

    assert task.expected is not None
    counts = LoaderCounts(ExpectedRows.load(Path(task.expected), task.rows), task.check)
    told = 0.0

    def progress(_: int) -> None:
        nonlocal told
        now = time.perf_counter()
        if now - told > _TELL_EVERY_SECONDS:
            told = now
            tell(rows=counts.n_rows)

    cpu = _cpu_seconds()
    began = time.perf_counter()
    source = batches()
    opening = time.perf_counter() - began
    try:
        result = consume(source, counts, pause=task.consumer_ms / 1000, progress=progress)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()
    del source  # a DataLoader's workers end with it, and only then is their time known
    return {
        **counts.as_json(task.passes),
        "opening": opening,
        "elapsed": result.elapsed,
        "first_batch": result.first_batch,
        "after_first": result.after_first,
        "rows_after_first": result.rows_after_first,
        "waiting": result.waiting,
        "cpu": _cpu_seconds() - cpu,
        "peak_rss": memory.peak_bytes(),
    }


def _cpu_seconds() -> float:
    """Seconds of CPU of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _versions() -> dict[str, str]:
    found = {name: _version(name) for name in _VERSIONS}
    return {name: number for name, number in found.items() if number is not None}


if __name__ == "__main__":
    sys.exit(main())
