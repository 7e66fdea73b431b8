"""Find a dataset by its name or its path, and list those that there are. Standard library only.

Synthetic datasets lie in ``soma/`` of the data directory, downloaded ones in the data directory itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.paths import data_root, datasets_root
from alb_core.datasets.manifest import MANIFEST_NAME, quick_check, size_on_disk
from alb_core.datasets.spec import KNOWN, checked_name


def dataset_path(word: str) -> Path:
    """Directory of the dataset that a word of the command line means."""
    if "://" in word:
        raise AlbError(f"{word} is a URI, expected the name or the path of a dataset on this machine")
    here = Path(os.path.abspath(word))  # noqa: PTH100 - Path.absolute keeps "..", and the last part is the name
    if "/" in word or os.sep in word or word in {".", ".."}:
        if not here.exists():
            raise AlbError(f"no dataset at {here}")
        return here
    for path in (datasets_root() / word, data_root() / word, here):
        if word and path.is_dir():
            return path
    name = checked_name(word)
    raise AlbError(f"no dataset {name} in {datasets_root()} or {data_root()}: {_command(name)} makes it")


def location(word: str) -> str:
    """Path or URI of the experiment that a word of the command line means."""
    scheme, separator, rest = word.partition("://")
    if not separator or scheme == "file":
        return str(dataset_path(rest or word))
    if scheme == "s3" and not rest.partition("/")[0]:
        raise AlbError(f"{word} names no bucket, expected s3://BUCKET/PATH")
    return word.rstrip("/")


def _command(name: str) -> str:
    """Return the command that makes a dataset of a name."""
    if downloaded := re.fullmatch(r"census-benchmark_(s?)(\d*):(\d+)", name):
        by_count, start, end = downloaded.groups()
        return f"alb download -s {start or 0} -e {end}{' -S' if by_count else ''}"
    return f"alb data make {name}" + ("" if name in KNOWN else " --cells N")


@dataclass(frozen=True)
class ListedDataset:
    """A dataset in the list."""

    name: str
    #: Rows and columns of X; None where that is not known.
    cells: int | None
    vars: int | None
    #: Non-zeros; None for a dataset that is not made, or refused.
    nnz: int | None
    #: Of all its files, in bytes; None for a dataset that is not made.
    size: int | None
    #: Of X/raw; empty where that is not known.
    layout: str
    #: ``ready``, ``not made``, or ``refused`` and why.
    state: str


def list_datasets() -> list[ListedDataset]:
    """Return the known datasets, made or not, then the others that are there, by name; then the downloads."""
    present = {path.name for path in _entries(datasets_root(), Path.is_dir)}
    paths = [datasets_root() / name for name in (*KNOWN, *sorted(present - set(KNOWN)))]
    downloads = _entries(data_root(), lambda path: (path / MANIFEST_NAME).is_file())
    return [_listed(path) for path in (*paths, *downloads)]


def _entries(root: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Entries of a directory that are not hidden, by name; none where there is no directory."""
    try:
        return sorted(path for path in root.iterdir() if not path.name.startswith(".") and wanted(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AlbError(f"cannot list {root}: {error.strerror}") from error


def _listed(path: Path) -> ListedDataset:
    """Look at one dataset."""
    known = KNOWN.get(path.name)
    cells, n_vars, layout = (known.cells, known.vars, known.layout) if known else (None, None, "")
    if not path.is_dir():
        return ListedDataset(path.name, cells, n_vars, None, None, layout, "not made")
    try:
        manifest = quick_check(path)
    except (AlbError, OSError) as error:
        return ListedDataset(path.name, cells, n_vars, None, size_on_disk(path), layout, f"refused: {error}")
    layout = str(manifest.spec.get("layout", ""))
    return ListedDataset(path.name, manifest.n_obs, manifest.n_vars, manifest.nnz, size_on_disk(path), layout, "ready")
