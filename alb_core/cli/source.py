"""The experiment that a command reads: what the user typed, where it is, and what is known of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.base.checksum import Totals
from alb_core.base.errors import AlbError
from alb_core.datasets.bucket import guarded
from alb_core.datasets.find import location
from alb_core.datasets.manifest import Manifest, origin
from alb_core.datasets.spec import CensusSlice

Int64 = npt.NDArray[np.int64]

#: What reaches the public Census; ``--region`` and ``--tiledb`` say otherwise.
PUBLIC = {"vfs.s3.region": "us-west-2", "vfs.s3.no_sign_request": "true"}


@dataclass(frozen=True)
class ExperimentSource:
    """An experiment."""

    #: As typed.
    uri: str
    #: Absolute path, or URI.
    location: str
    #: If it is a dataset of ours.
    manifest: Manifest | None
    #: The slice of a Census that is read of it, and its cells and vars, joinids; None for all.
    part: CensusSlice | None = None
    rows: Int64 | None = None
    columns_read: Int64 | None = None

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
        if self.part is not None:
            name, slice_of = self.part.default_name(), self.part.as_json()
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


def sliced(uri: str, words: str, collection: str, config: Mapping[str, str]) -> ExperimentSource:
    """Find the cells of some source datasets in the Census at ``uri``, to be read there; ``words`` is as ``2:7``."""
    found = re.fullmatch(r"(\d*):(\d*)", words)
    if not found:
        raise AlbError(f"--slice {words!r}: expected the first of the source datasets and the last plus 1, such as 2:7")
    place = location(uri)
    start, end = int(found[1] or 0), int(found[2]) if found[2] else None
    asked = CensusSlice(start, end, collection_id=collection, census_version=None, census_uri=place)
    # Imported here: it takes seconds.
    from alb_core.datasets.census import census
    from alb_core.datasets.retry import Retry

    with census.opened(asked, config, Retry()) as chosen:
        experiment = chosen.obs.uri.removeprefix("file://").rpartition("/")[0]
        rows, columns = chosen.cells.rows(0, len(chosen.cells)), np.arange(len(chosen.var))
        return ExperimentSource(uri, experiment, None, chosen.asked, rows, columns)
