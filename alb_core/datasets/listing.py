"""Which datasets there are, and in what state. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alb_core.datasets.locate import downloads
from alb_core.datasets.manifest import quick_check, size_on_disk
from alb_core.datasets.spec import KNOWN
from alb_core.errors import AlbError
from alb_core.paths import datasets_root


@dataclass(frozen=True)
class Row:
    """A dataset in the list."""

    #: Of the dataset.
    name: str
    #: Rows and columns of X; None when not known.
    cells: int | None
    vars: int | None
    #: Non-zeros; None when it is not made, or refused.
    nnz: int | None
    #: Of all its files, in bytes; None when it is not made.
    size: int | None
    #: Of X/raw; empty when not known.
    layout: str
    #: ``ready``, ``not made``, or ``refused`` and why.
    state: str


def list_datasets() -> list[Row]:
    """Return the known datasets, made or not, then the others that are there, by name; then the downloads."""
    root = datasets_root()
    try:
        present = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    except FileNotFoundError:
        present = set()
    except OSError as error:
        raise AlbError(f"cannot list {root}: {error.strerror}") from error
    paths = [root / name for name in (*KNOWN, *sorted(present - set(KNOWN)))]
    return [_row(path) for path in (*paths, *downloads())]


def _row(path: Path) -> Row:
    """Look at one dataset."""
    known = KNOWN.get(path.name)
    cells, n_vars, layout = (known.cells, known.vars, known.layout) if known else (None, None, "")
    if not path.is_dir():
        return Row(path.name, cells, n_vars, None, None, layout, "not made")
    try:
        manifest = quick_check(path)
    except (AlbError, OSError) as error:
        return Row(path.name, cells, n_vars, None, size_on_disk(path), layout, f"refused: {error}")
    layout = str(manifest.spec.get("layout", ""))
    return Row(path.name, manifest.n_obs, manifest.n_vars, manifest.nnz, size_on_disk(path), layout, "ready")
