"""The experiment that a command reads: what the user typed, where it is, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alb_core.datasets.find import location
from alb_core.datasets.manifest import Manifest, manifest_at, origin


@dataclass(frozen=True)
class Source:
    """An experiment."""

    #: As typed.
    uri: str
    #: Absolute path, or URI.
    location: str
    #: If it is a dataset of ours.
    manifest: Manifest | None

    def expected(self, measurement: str, layer: str, n_vars: int | None = None) -> Mapping[str, Any] | None:
        """What all rows of a layer, and its first vars (None for all), must hold; None where nobody has said."""
        if self.manifest is None or (measurement, layer) != ("RNA", "raw"):
            return None
        if n_vars is not None and n_vars < self.manifest.n_vars:
            return None
        return {"n_obs": self.manifest.n_obs, "nnz": self.manifest.nnz, "x_sum": self.manifest.x_sum}

    def columns(self) -> dict[str, Any]:
        """Columns of a record that say what was read."""
        name = self.manifest.name if self.manifest else self.location.rstrip("/").rpartition("/")[2]
        first = origin(self.manifest) if self.manifest else None
        slice_of = first[2] if first and first[1] == "census" else {}
        return {
            "dataset": name,
            "collection_id": slice_of.get("collection_id"),
            "census_uri": slice_of.get("census_uri"),
            "census_version": slice_of.get("census_version"),
            "start_idx": slice_of.get("start"),
            "end_idx": slice_of.get("end"),
            "sorted_datasets": slice_of.get("sorted_datasets"),
        }


def located(uri: str) -> Source:
    """Find the experiment that a word of the command line means."""
    place = location(uri)
    return Source(uri, place, None if "://" in place else manifest_at(Path(place)))
