"""A dataset in a bucket, held against the manifest that lies there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alb_core.base.errors import DamagedDataError, ReadError, one_line
from alb_core.datasets.guard import REMOTE_TICK, FileState, holds, same_files
from alb_core.datasets.guard import guard as local
from alb_core.datasets.manifest import MANIFEST_NAME, Manifest, parsed

#: Objects that are read at once, and bytes of one read.
_READERS = 8
_READ_BYTES = 8 * 2**20

#: What each of TileDB's options is called in Arrow.
_OPTIONS = {
    "vfs.s3.region": "region",
    "vfs.s3.scheme": "scheme",
    "vfs.s3.endpoint_override": "endpoint_override",
    "vfs.s3.aws_access_key_id": "access_key",
    "vfs.s3.aws_secret_access_key": "secret_key",
    "vfs.s3.aws_session_token": "session_token",
}


def guarded(place: str, config: Mapping[str, str]) -> Manifest | None:
    """Manifest of an experiment, held against its files, wherever it is; None if it has none."""
    if "://" not in place:
        return local(Path(place)) if Path(place, MANIFEST_NAME).is_file() else None
    if not place.startswith("s3://"):
        return None
    return guard(place, config)


def guard(uri: str, config: Mapping[str, str]) -> Manifest | None:
    """Refuse a dataset in a bucket that is not, byte for byte, what was written; None if it has no manifest."""
    from pyarrow import fs

    try:
        store, place = _store(config), uri.removeprefix("s3://")
        if not store.get_file_info(f"{place}/{MANIFEST_NAME}").is_file:
            return None
        with store.open_input_stream(f"{place}/{MANIFEST_NAME}") as stream:
            content = stream.read()
        infos = store.get_file_info(fs.FileSelector(place, recursive=True))
    except (OSError, ValueError) as error:
        raise ReadError(
            f"no SOMA experiment at {uri}, or bucket, region or credentials are wrong: {one_line(error)}"
        ) from error
    files = {info.path[len(place) + 1 :]: info for info in infos if info.is_file}
    files.pop(MANIFEST_NAME, None)
    try:
        manifest = parsed(json.loads(content))
    except ValueError as error:
        raise _refusal(uri, f"has a {MANIFEST_NAME} that cannot be read ({error})") from error
    if wrong := same_files(manifest, ((name, int(info.size)) for name, info in files.items())):
        raise _refusal(uri, wrong)
    states = [
        FileState(name, int(info.size), f"{info.size} {info.mtime_ns}", int(info.mtime_ns or 0))
        for name, info in files.items()
    ]

    def digest(name: str) -> str:
        found = hashlib.sha256()
        with store.open_input_stream(f"{place}/{name}") as stream:
            while block := stream.read(_READ_BYTES):
                found.update(block)
        return found.hexdigest()

    with ThreadPoolExecutor(_READERS) as readers:
        try:
            same = holds(manifest, states, uri, lambda names: readers.map(digest, names), REMOTE_TICK)
        except OSError as error:
            raise ReadError(f"cannot read {uri}: {one_line(error)}") from error
    if not same:
        raise _refusal(uri, "has objects with other bytes than were written")
    return manifest


def _store(config: Mapping[str, str]) -> Any:
    from pyarrow import fs

    options: dict[str, Any] = {name: config[option] for option, name in _OPTIONS.items() if option in config}
    if config.get("vfs.s3.no_sign_request") == "true":
        options["anonymous"] = True
    virtual = config.get("vfs.s3.use_virtual_addressing", "true") == "true"
    if "endpoint_override" in options:
        options["force_virtual_addressing"] = virtual
    return fs.S3FileSystem(connect_timeout=10, request_timeout=60, **options)


def _refusal(uri: str, reason: str) -> DamagedDataError:
    return DamagedDataError(f"dataset {uri} {reason}: put it there again")
