"""The experiment that a command reads: what the user typed, where it is, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alb_core.base.checksum import Totals
from alb_core.datasets.bucket import guarded
from alb_core.datasets.find import location
from alb_core.datasets.manifest import Manifest, origin


@dataclass(frozen=True)
class ExperimentSource:
    """An experiment."""

    #: As typed.
    uri: str
    #: Absolute path, or URI.
    location: str
    #: If it is a dataset of ours.
    manifest: Manifest | None

    def expected(self, measurement: str, layer: str, n_vars: int | None = None) -> Totals | None:
        """What all rows of a layer, and its first vars (None for all), must come to; None where that is not known."""
        if self.manifest is None or (measurement, layer) != ("RNA", "raw"):
            return None
        if n_vars is not None and n_vars < self.manifest.n_vars:
            return None
        return self.manifest.totals

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


def located(uri: str, config: Mapping[str, str] | None = None) -> ExperimentSource:
    """Find the experiment that a word of the command line means; refuse a dataset that is not what was written."""
    place = location(uri)
    return ExperimentSource(uri, place, guarded(place, config or {}))
