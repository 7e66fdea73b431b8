"""Which datasets there are, and in what state. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from alb_core.datasets.manifest import quick_check, size_on_disk
from alb_core.datasets.spec import KNOWN
from alb_core.errors import AlbError
from alb_core.paths import datasets_root


@dataclass(frozen=True)
class Row:
    """A dataset in the list.

    Attributes
    ----------
    name
        Of the dataset.
    cells, vars
        Rows and columns of X; None when not known.
    nnz
        Non-zeros; None when it is not made, or refused.
    size
        Of all its files, in bytes; None when it is not made.
    layout
        Of X/raw; empty when not known.
    state
        ``ready``, ``not made``, or ``refused`` and why.
    """

    name: str
    cells: int | None
    vars: int | None
    nnz: int | None
    size: int | None
    layout: str
    state: str


def list_datasets() -> list[Row]:
    """Return the known datasets, made or not, then the others that are there, by name."""
    root = datasets_root()
    try:
        present = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    except FileNotFoundError:
        present = set()
    except OSError as error:
        raise AlbError(f"cannot list {root}: {error.strerror}") from error
    return [_row(name, name in present) for name in (*KNOWN, *sorted(present - set(KNOWN)))]


def _row(name: str, present: bool) -> Row:
    """Look at one dataset."""
    known = KNOWN.get(name)
    cells, n_vars, layout = (known.cells, known.vars, known.layout) if known else (None, None, "")
    if not present:
        return Row(name, cells, n_vars, None, None, layout, "not made")
    path = datasets_root() / name
    try:
        manifest = quick_check(path)
    except (AlbError, OSError) as error:
        return Row(name, cells, n_vars, None, size_on_disk(path), layout, f"refused: {error}")
    spec_layout = str(manifest.spec.get("layout", ""))
    return Row(name, manifest.n_obs, manifest.n_vars, manifest.nnz, size_on_disk(path), spec_layout, "ready")
