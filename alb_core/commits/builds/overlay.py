"""A wheel from the native libraries of one build and the Python sources of a commit.

The same inputs give the same bytes: dates, order, permissions and compression are fixed.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from alb_core.base.errors import AlbError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_REPLACED = ("Version", "Requires-Dist", "Provides-Extra", "Requires-Python")


@dataclass(frozen=True)
class WheelContent:
    """What a commit puts into its wheel."""

    #: Such as ``2.3.0+g0123456789``.
    version: str
    #: Content of each Python source by its path in the wheel.
    python: Mapping[str, bytes]
    #: As the commit's build script says.
    requires: Sequence[str]
    requires_python: str | None
    #: Optional requirements by extra.
    extras: Mapping[str, Sequence[str]]


def version_of(base: str, commit: str) -> str:
    """Return the version of a commit's wheel: that of its base, and the commit as local part."""
    return f"{base.partition('+')[0]}+g{commit[:10]}"


def make(base: Path, content: WheelContent, directory: Path) -> Path:
    """Write a commit's wheel over the native libraries of another."""
    name = base.name.split("-")
    target = directory / "-".join([name[0], content.version, *name[2:]])
    try:
        with zipfile.ZipFile(base) as archive:
            files = _files(archive, content)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise AlbError(f"{base} is no wheel ({error}): remove it and repeat the command") from error
    write(target, files)
    return target


def write(wheel: Path, files: Mapping[str, bytes]) -> None:
    """Write a wheel of some files, with a RECORD of them; the same files give the same bytes."""
    [metadata] = [path for path in files if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)]
    record = metadata.replace("METADATA", "RECORD")
    files = {path: data for path, data in sorted(files.items()) if path != record}
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in files.items():
            _add(archive, path, data)
        # It goes last, and does not list its own digest: the wheel format says so.
        _add(archive, record, "\n".join([*lines, f"{record},,", ""]).encode())


def _files(archive: zipfile.ZipFile, content: WheelContent) -> dict[str, bytes]:
    """Return the wheel's files but its RECORD: the base's without its Python sources, and the commit's."""
    files: dict[str, bytes] = dict(content.python)
    for item in archive.infolist():
        top, _, rest = item.filename.partition("/")
        if item.is_dir():
            continue
        if not top.endswith(".dist-info"):
            if not item.filename.endswith(".py"):
                files[item.filename] = archive.read(item)
        elif rest == "METADATA":
            files[f"{_home(top, content)}/{rest}"] = _metadata(archive.read(item), content)
        elif rest not in {"RECORD", "RECORD.jws", "RECORD.p7s"}:
            files[f"{_home(top, content)}/{rest}"] = archive.read(item)
    return files


def _home(top: str, content: WheelContent) -> str:
    return f"{top.split('-')[0]}-{content.version}.dist-info"


def _metadata(base: bytes, content: WheelContent) -> bytes:
    """Return the base's metadata with the commit's version and requirements."""
    found = email.message_from_bytes(base, policy=email.policy.compat32)
    for name in _REPLACED:
        del found[name]
    lines = [f"{name}: {value}" for name, value in found.items()]
    at = next(number for number, line in enumerate(lines) if line.startswith("Name: ")) + 1
    lines.insert(at, f"Version: {content.version}")
    if content.requires_python:
        lines.append(f"Requires-Python: {content.requires_python}")
    lines += [f"Requires-Dist: {Requirement(line)}" for line in content.requires]
    for extra, requires in content.extras.items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_of_extra(line, extra)}" for line in requires]
    body = re.split(rb"\r?\n\r?\n", base, maxsplit=1)[1:]
    return "\n".join(lines).encode(errors="surrogateescape") + b"\n" + b"".join(b"\n" + text for text in body)


def _of_extra(line: str, extra: str) -> str:
    need = Requirement(line)
    own, need.marker = need.marker, None
    marker = f'({own}) and extra == "{extra}"' if own else f'extra == "{extra}"'
    return f"{need}; {marker}"


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, _EPOCH)
    native = ".so" in path or path.endswith(".dylib")
    entry.external_attr = (0o100755 if native else 0o100644) << 16
    entry.create_system = 3
    entry.compress_type = zipfile.ZIP_DEFLATED
    # Native libraries are most of the bytes: a higher level would cost seconds for a tenth of the size.
    archive.writestr(entry, data, compresslevel=1 if native else 6)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
