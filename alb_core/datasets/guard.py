"""A dataset is refused where any byte is not what was written, before anything is measured.

Each file is read once. Its digest is kept under the data root, with what tells a changed file from the one that was
read: on this machine its inode, size and times, in a bucket its size and the time of its last write. What cannot be
kept is read again the next time.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of, write_atomically
from alb_core.base.paths import data_root, own_place
from alb_core.datasets.manifest import (
    Manifest,
    digest_of_digests,
    digest_of_sizes,
    file_names,
    quick_check,
    refusal,
)

#: A file written less than this before it is read may change once more within one tick of its clock: not kept.
#: Nanoseconds; S3 counts whole seconds.
_TICK = 100_000_000
REMOTE_TICK = 3_000_000_000

#: More than this takes a while to read, which is said.
_MANY_BYTES = 2 * 10**9


@dataclass(frozen=True)
class FileState:
    """A file as it is now."""

    name: str
    size: int
    #: Changes with the file.
    stamp: str
    #: Of its last change, nanoseconds.
    changed: int


def guard(path: Path) -> Manifest:
    """Refuse a dataset on this machine that is not, byte for byte, what was written."""
    manifest = quick_check(path)
    states = [_state(path, name) for name in file_names(path)]
    try:
        same = holds(
            manifest, states, str(path.resolve()), lambda names: (sha256_of(path / name) for name in names), _TICK
        )
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})", asdict(manifest)) from error
    if not same:
        raise refusal(path, "has files with other bytes than were written", asdict(manifest))
    return manifest


def same_files(manifest: Manifest, sizes: Iterable[tuple[str, int]]) -> str:
    """What is wrong with the names and sizes of some files; empty if nothing is."""
    entries = list(sizes)
    if len(entries) != manifest.files:
        return f"has {len(entries):,} files, its manifest says {manifest.files:,}"
    return "" if digest_of_sizes(entries) == manifest.files_digest else "has files of other names or sizes"


def holds(
    manifest: Manifest,
    states: list[FileState],
    place: str,
    read: Callable[[list[str]], Iterable[str]],
    tick: int,
) -> bool:
    """Whether the digests of all files, kept or read now, are the manifest's."""
    place = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    kept_at = own_place("digests") / f"{place}.json"
    kept = _kept(kept_at)
    old = {state.name: kept[state.name][1] for state in states if kept.get(state.name, ("", ""))[0] == state.stamp}
    # What was kept may itself be damaged: only what was read now is refused.
    for known in (old, {}) if old else ({},):
        missing = [state for state in states if state.name not in known]
        _mention(manifest.name, sum(state.size for state in missing))
        now = time.time_ns()
        names = [state.name for state in missing]
        found = {**known, **dict(zip(names, read(names), strict=True))}
        if digest_of_digests(found) == manifest.bytes_digest:
            if missing:
                lasting = [state for state in states if state.name in known or now - state.changed > tick]
                content = {state.name: (state.stamp, found[state.name]) for state in lasting}
                if data_root().is_dir():
                    with suppress(AlbError):
                        write_atomically(kept_at, json.dumps(content).encode())
            return True
    return False


def _kept(path: Path) -> dict[str, tuple[str, str]]:
    """Stamp and digest of each file, as kept; nothing where that cannot be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return {str(name): (str(stamp), str(digest)) for name, (stamp, digest) in json.loads(path.read_bytes()).items()}
    return {}


def _state(path: Path, name: str) -> FileState:
    found = (path / name).stat()
    stamp = f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return FileState(name, found.st_size, stamp, max(found.st_mtime_ns, found.st_ctime_ns))


def _mention(name: str, size: int) -> None:
    if size > _MANY_BYTES:
        print(f"alb: reading the {size / 1e9:,.1f} GB of {name} once, to prove them", file=sys.stderr, flush=True)
