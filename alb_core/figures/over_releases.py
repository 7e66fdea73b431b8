"""The figure of one subject over many releases: one frame for all, so that marks move and axes do not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alb_core.figures.chart import chart, spec_of
from alb_core.figures.points import points

#: Space at the upper end of an axis, as a part of it: no mark is cut.
_MARGIN = 1.05


def framed(table: pa.Table) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Describe the figure of records of many releases, for a page that shows those of one of them at a time."""
    spec = spec_of(chart(table))
    drawn = points(table)
    for channel, name in (("x", "peak_gib"), ("y", "samples_per_second")):
        scale = spec["encoding"][channel].setdefault("scale", {})
        scale.update(domain=[0, _MARGIN * float(pc.max(drawn.column(name)).as_py())], nice=False)
    # A benchmark has one epoch, and the page says above the figure what a title would.
    spec["encoding"]["opacity"]["condition"]["legend"] = None
    del spec["title"]
    spec["width"] = "container"
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    found: list[dict[str, Any]] = spec["data"]["values"]
    spec["data"] = {"name": spec["data"]["name"], "values": []}
    return spec, found
