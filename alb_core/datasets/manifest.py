"""The manifest of a dataset: what the dataset holds, and whether it still does.

``manifest.json`` lies in the directory of the SOMA experiment, where TileDB takes no notice of it. Checksums prove
the content (:mod:`alb_core.datasets.verify` computes them again); the names and sizes of the files prove within
milliseconds that no file was lost, added or cut short.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from alb_core.base.checksum import Totals
from alb_core.base.documents import DamagedDocumentError, Format
from alb_core.base.errors import AlbError, DamagedDataError
from alb_core.base.files import sha256_of, staged_directory
from alb_core.base.paths import data_root
from alb_core.datasets.spec import KNOWN, CensusSlice, RowLayout, Spec

#: Of the manifest's fields, and of the cells that a specification stands for: raise it with any change to either, so
#: that older datasets are refused and made again.
MANIFEST_VERSION = 1
MANIFEST_NAME = "manifest.json"
#: The kind of a copy.
RETILED = "retiled"
#: Where X lies in an experiment.
X_PATH = Path("ms", "RNA", "X", "raw")


@dataclass(frozen=True)
class Manifest:
    """What a dataset holds."""

    #: Name of the dataset, and of its directory.
    name: str
    #: Where the cells come from: ``synthetic``, ``census``, or ``retiled``, a copy of another experiment.
    kind: str
    #: What was asked for: the fields of :class:`alb_core.datasets.spec.Spec`; or those of
    #: :class:`alb_core.datasets.spec.CensusSlice` and what the Census answered; or those of
    #: :class:`alb_core.datasets.spec.RowLayout`, the ``source``, its ``origin`` (name, kind and spec of the dataset
    #: that it or its own source was made as; None if that is not known) and the checksum of each layer of X.
    spec: Mapping[str, Any]
    #: Versions of the packages that wrote it.
    writer: Mapping[str, str]
    #: Rows, columns and non-zeros of X/raw.
    n_obs: int
    n_vars: int
    nnz: int
    #: Exact sum of the counts; where it is no whole number, the nearest float64.
    x_sum: int | float
    #: Checksum of X/raw (:mod:`alb_core.base.checksum`), 16 hex digits.
    x_checksum: str
    #: Checksums of the tables (:mod:`alb_core.datasets.content`), 64 hex digits.
    obs_checksum: str
    var_checksum: str
    #: Size of X/raw on disk, in bytes.
    x_bytes: int
    #: Number of files, without the manifest.
    files: int
    #: SHA-256 over their names and sizes, 64 hex digits.
    files_digest: str
    #: SHA-256 over their names and the SHA-256 of each, 64 hex digits.
    bytes_digest: str
    #: Number of directories; None in older manifests.
    directories: int | None = field(default=None, compare=False)
    #: SHA-256 over all other fields; empty in older manifests.
    own_digest: str = field(default="", compare=False)

    @property
    def totals(self) -> Totals:
        """What X/raw comes to."""
        return Totals(self.n_obs, self.nnz, self.x_sum, int(self.x_checksum, 16))


_FORMAT = Format(Manifest, "manifest", ("manifest_version", MANIFEST_VERSION), indent=2)


def save(path: Path, manifest: Manifest) -> None:
    """Write the manifest of the dataset at ``path``."""
    _FORMAT.write(path / MANIFEST_NAME, replace(manifest, own_digest=own_digest(manifest)))


def own_digest(manifest: Manifest) -> str:
    """Return the SHA-256 over a manifest's fields but this one."""
    return _digest([json.dumps({**asdict(manifest), "own_digest": ""}, sort_keys=True)])


def load(path: Path) -> Manifest:
    """Read the manifest of the dataset at ``path``; look at nothing else."""
    name = path.name
    if not path.is_dir():
        raise AlbError(f"no dataset at {path}: {_command(path, None)} makes it")
    try:
        manifest = _FORMAT.read(path / MANIFEST_NAME)
    except DamagedDocumentError as error:
        content = error.content if isinstance(error.content, dict) else None
        raise refusal(path, f"has a {MANIFEST_NAME} that cannot be read ({error.reason})", content) from error
    if manifest is None:
        raise refusal(path, f"has no {MANIFEST_NAME}, so it was never complete")
    if manifest.name != name:
        raise refusal(path, f"was made as {manifest.name!r} and has been moved here")
    if name in KNOWN and manifest.spec != KNOWN[name].as_json():
        raise refusal(path, "was made with other options than that name stands for")
    return manifest


def quick_check(path: Path) -> Manifest:
    """Refuse a dataset whose files are not those that were written: names, number and sizes. Takes milliseconds."""
    manifest = load(path)
    files, digest = fingerprint(path)
    if files != manifest.files:
        raise refusal(path, f"has {files:,} files, its manifest says {manifest.files:,}", asdict(manifest))
    if digest != manifest.files_digest:
        raise refusal(path, "has files of other names or sizes than were written", asdict(manifest))
    return manifest


def parsed(content: Any) -> Manifest:
    """Manifest that some decoded JSON holds; ValueError says what is wrong with it."""
    return _FORMAT.parse(content)


def origin(manifest: Manifest) -> tuple[str, str, Mapping[str, Any]] | None:
    """Name, kind and specification of the dataset that the cells were first made or downloaded as."""
    if manifest.kind != RETILED:
        return manifest.name, manifest.kind, manifest.spec
    first = manifest.spec.get("origin")
    return None if first is None else (first["name"], first["kind"], first["spec"])


def summary(manifest: Manifest) -> str:
    """Size and density in words."""
    return (
        f"{manifest.nnz:,} non-zeros, {manifest.nnz / manifest.n_obs:,.0f} per cell, "
        f"X {manifest.x_bytes / 1e6:,.1f} MB, {manifest.x_bytes / manifest.nnz:.2f} bytes per non-zero"
    )


def write_manifest(stage: Path, *, name: str, kind: str, spec: Mapping[str, Any], **figures: Any) -> Manifest:
    """Measure the files of an experiment that has just been written, and add its manifest to them."""
    files, digest = fingerprint(stage)
    manifest = Manifest(
        name=name,
        kind=kind,
        spec=spec,
        x_bytes=size_on_disk(stage / X_PATH),
        files=files,
        directories=directories(stage)[0],
        files_digest=digest,
        bytes_digest=bytes_digest(stage),
        **figures,
    )
    save(stage, manifest)
    return manifest


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A directory that becomes the dataset at ``path`` when the block ends well; an older dataset there is removed."""
    aside = path.with_name(f".{path.name}.partial-replaced-{os.getpid()}")
    with staged_directory(path) as stage:
        yield stage
        if os.path.lexists(path):
            if not path.is_dir() or path.is_symlink():
                raise AlbError(f"{path} is not the directory of a dataset: move it away")
            # Under a name that the next maker clears away.
            path.replace(aside)
    if aside.exists():
        try:
            shutil.rmtree(aside)
        except OSError as error:
            raise AlbError(f"the new dataset is ready, but the old one at {aside} stays: {error.strerror}") from error


def fingerprint(path: Path) -> tuple[int, str]:
    """Return the number of files below ``path``, without the manifest, and the SHA-256 over their names and sizes."""
    entries = [(name, size) for name, size in _files(path) if name != MANIFEST_NAME]
    return len(entries), digest_of_sizes(entries)


def directories(path: Path) -> tuple[int, int]:
    """Return the number of directories below ``path``, and that of links."""
    found = [Path(root) / name for root, names, files in os.walk(path) for name in (*names, *files)]
    links = sum(each.is_symlink() for each in found)
    return sum(each.is_dir() and not each.is_symlink() for each in found), links


def digest_of_sizes(entries: Iterable[tuple[str, int]]) -> str:
    """Return the SHA-256 over names and sizes of files."""
    return _digest(f"{name}\0{size}\n" for name, size in sorted(entries))


def bytes_digest(path: Path) -> str:
    """Return the SHA-256 over the names and the bytes of all files below ``path``, without the manifest."""
    return digest_of_digests({name: sha256_of(path / name) for name in file_names(path)})


def digest_of_digests(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 over the names of files and the SHA-256 of each."""
    return _digest(f"{name}\0{digests[name]}\n" for name in sorted(digests))


def file_names(path: Path) -> list[str]:
    """Names of all files below ``path``, relative with forward slashes, without the manifest."""
    return [name for name, _ in _files(path) if name != MANIFEST_NAME]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def size_on_disk(path: Path) -> int:
    """Return the sum of the sizes of all files below ``path``, in bytes."""
    return sum(size for _, size in _files(path))


def refusal(path: Path, reason: str, content: Mapping[str, Any] | None = None) -> DamagedDataError:
    """Build the error that refuses a dataset; ``content``, its manifest, gives the command that repairs it."""
    replace = "-f" if _is_download(content) else "--replace"
    return DamagedDataError(f"dataset {path.name} {reason}: {_command(path, content)} {replace} makes it again")


def _is_download(content: Mapping[str, Any] | None) -> bool:
    """Tell whether a dataset comes from a Census."""
    return (content or {}).get("kind") == "census"


def _command(path: Path, content: Mapping[str, Any] | None) -> str:
    """Return the command that makes a dataset."""
    name, spec = path.name, (content or {}).get("spec") or {}
    if (content or {}).get("kind") == RETILED:
        try:
            layout = RowLayout(**{one.name: spec[one.name] for one in fields(RowLayout)}).options()
            source = shlex.quote(spec["source"])
            layout += "".join(
                f" --{name} {shlex.quote(spec[name])}" for name in ("measurement", "layer") if name in spec
            )
        except (AlbError, KeyError, TypeError):
            source, layout = "SRC", ""
        return f"alb data retile {source} {shlex.quote(name)}{layout}"
    if _is_download(content):
        directory = "" if path.parent == data_root() else f" -d {shlex.quote(str(path.parent))}"
        try:
            options = " " + CensusSlice(**{one.name: spec[one.name] for one in fields(CensusSlice)}).options()
        except (AlbError, KeyError, TypeError):
            options = ""
        return f"alb download{options} -n {shlex.quote(name)}{directory}"
    if name in KNOWN:
        return f"alb data make {name}"
    try:
        options = Spec.from_json(spec).options()
    except (AlbError, TypeError):
        options = "--cells N"
    return f"alb data make {name} {options}"


def _files(path: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Names, relative with forward slashes, and sizes of all files below ``path``."""
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat().st_size
