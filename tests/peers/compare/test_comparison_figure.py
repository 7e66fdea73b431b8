"""The figure of a comparison: which marks, in which files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from figures import marks
from outcomes import outcome

from alb_core.base.errors import AlbError
from alb_core.peers.compare.figure import drawing, points

OUTCOMES = [
    outcome("raw_tables", "16 MiB", (5000, 6000), quality=None),
    outcome("ours", "best", (4000, 6000), peak=3 * 2**29),
    outcome("annbatch", "default", state="n/a", reason="not installed"),
    outcome("broken", "best", (9000,), state="wrong"),
]


def test_a_mark_for_each_that_was_measured() -> None:
    found = marks(drawing(Path("x.svg"), OUTCOMES, "small").decode())
    described = [words for words, _ in found]
    assert len(described) == 2
    assert described[1].endswith("the first batch counted: 5000; Loader: ours; Setting: best")
    raw, own = points(OUTCOMES)
    assert (own["loader"], own["setting"], own["kind"]) == ("ours", "best", "best")
    assert (own["cells_per_second"], own["slowest"], own["fastest"], own["peak_gib"]) == (5000, 4000, 6000, 1.5)
    assert (own["quality"], own["first_batch"]) == (98, 2)
    assert raw["kind"] == "other"
    assert not {"quality", "first_batch", "waiting"} & set(raw), "no batch is made of a raw read"


def test_the_range_of_the_rounds_is_drawn() -> None:
    spec = json.loads(drawing(Path("x.json"), OUTCOMES, "what they did"))
    assert spec["data"]["values"] == points(OUTCOMES)
    assert spec["title"]["subtitle"] == "what they did"
    [rule] = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert (rule["encoding"]["y"]["field"], rule["encoding"]["y2"]["field"]) == ("slowest", "fastest")


def test_a_page_holds_all_that_it_needs() -> None:
    page = drawing(Path("loaders.html"), OUTCOMES, "small").decode()
    assert "<title>Cells per second against peak memory, loaders side by side</title>" in page
    assert 'downloadFileName: "loaders"' in page
    assert 'src="http' not in page
    assert drawing(Path("x.png"), OUTCOMES, "small").startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(AlbError, match=r"^nothing to draw: no loader was measured$"):
        drawing(Path("x.svg"), OUTCOMES[2:], "small")
    with pytest.raises(AlbError, match=r"^a figure x\.pdf cannot be drawn, expected a name that ends in \.png, "):
        drawing(Path("x.pdf"), OUTCOMES, "small")
