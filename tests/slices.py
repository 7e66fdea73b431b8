"""The slice that tests of downloads take, and what they ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from census import ONE

from alb_core.datasets.census.download import download, parts_path
from alb_core.datasets.find import list_datasets
from alb_core.datasets.manifest import Manifest
from alb_core.datasets.retry import Retry
from alb_core.datasets.spec import CensusSlice

#: The figures that say what a dataset holds.
CONTENT = ("n_obs", "n_vars", "nnz", "x_sum", "x_checksum", "obs_checksum", "var_checksum")
N_VARS = 60
#: So small that the slices of these tests have dozens of parts.
FEW = 500


def slice_of(uri: str, **options: Any) -> CensusSlice:
    given = {"collection_id": ONE, "start": 1, "end": 3, "n_vars": N_VARS, **options}
    return CensusSlice(census_version=None, census_uri=uri, **given)


def downloaded(uri: str, root: Path, **options: Any) -> Path:
    """Download the slice of these tests, without a word and without retry."""
    options = {"name": "mine", "report": lambda line: None, "retry": Retry(()), **options}
    asked = options.pop("asked", None) or slice_of(uri)
    return download(asked, root, **options)


def content(manifest: Manifest) -> tuple[object, ...]:
    return tuple(getattr(manifest, field) for field in CONTENT)


def parts(root: Path) -> list[Path]:
    return sorted(parts_path(root / "mine").glob("part-*.arrow"))


def nothing_counts(root: Path) -> bool:
    return not (root / "mine").exists() and "mine" not in [row.name for row in list_datasets()]
