"""``alb plot`` as it is typed: four files, or one line and none."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import browser
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Browser
from command import typed
from figures import marks, sweep, table

from alb_core.base.paths import DATA_VARIABLE

NAMES = ["speed_vs_mem.png", "speed_vs_mem.svg", "speed_vs_mem.html", "speed_vs_mem.json"]
OOM = {"oom": True, "elapsed": None, "max_mem": None, "chunks_per_block": 4096, "chunk_size": 64, "block_size": 262144}


def plot(*arguments: object) -> int:
    return typed("plot", *map(str, arguments))


@pytest.fixture(scope="module")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of records: a sweep of 36, half of which leave out the first batch, and one that ran out of memory."""
    path = tmp_path_factory.mktemp("records") / "epochs.parquet"
    late = {"first_batch_counted": True}
    early = {"first_batch_counted": False, "host": "tw2"}
    rows = table(*({**row, **(late if row["epoch"] else early)} for row in sweep()), OOM)
    odd = pa.array(["</script><b>it's \\ odd</b>"] * rows.num_rows)
    pq.write_table(rows.append_column("mo'od", odd), path)
    return path


@pytest.fixture(scope="module")
def drawn(epochs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote."""
    out = tmp_path_factory.mktemp("drawn")
    assert plot(epochs, "-o", out) == 0
    return out


def test_four_files_are_written_and_named(
    epochs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    place = tmp_path / "data" / "records"
    place.mkdir(parents=True)
    (place / "epochs.parquet").write_bytes(epochs.read_bytes())
    (place / "speed_vs_mem.svg").write_text("an older figure")
    assert plot() == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(place / name) for name in NAMES]
    assert said.err == "", "no progress bar in a pipe"
    assert sorted(path.name for path in place.iterdir()) == sorted(["epochs.parquet", *NAMES])
    assert (place / "speed_vs_mem.svg").read_text().startswith("<svg")


def test_records_may_be_a_directory_and_filters_are_applied(epochs: Path, tmp_path: Path) -> None:
    words = ["-D", "small", "-n", 0, "--since", "2026-03-01 10:05", "--no-s3", "--machine", "ref2"]
    assert plot(epochs.parent, "-o", tmp_path / "a" / "b", *words) == 0
    spec = json.loads((tmp_path / "a" / "b" / "speed_vs_mem.json").read_text())
    assert {point["start_dt"] for point in spec["data"]["values"]} == {"2026-03-01 10:05:00"}
    assert len(marks((tmp_path / "a" / "b" / "speed_vs_mem.svg").read_text())) == 6


def test_the_svg_and_the_specification_have_a_mark_for_each_record(drawn: Path) -> None:
    svg = (drawn / NAMES[1]).read_text()
    assert len(marks(svg)) == 36
    for words in (
        "Samples per second",
        "Peak memory (GiB)",
        "Chunks per block",
        "Block size (rows)",
        "Method",
        "Epoch",
    ):
        assert f">{words}</text>" in svg
    assert "1 configuration ran out of memory: scipy.csr 4096x64" in svg
    assert len(json.loads((drawn / NAMES[3]).read_text())["data"]["values"]) == 36
    png = (drawn / NAMES[0]).read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and width > 1600 and height > 1000 and len(png) > 50_000


def test_the_page_names_no_address_that_it_would_load(drawn: Path) -> None:
    page = (drawn / NAMES[2]).read_text()
    own = page[: page.index("<script>")] + page[page.index('<script type="application/json"') :]
    assert re.findall(r"(?:src|href)\s*=\s*[\"'][^#]", own) == []
    assert "default-src 'none'" in own
    assert page.count("</script>") == 3


@pytest.mark.skipif(browser.installed() is None, reason="no chromium")
def test_the_page_works_without_a_network(drawn: Path, tmp_path: Path) -> None:
    chromium = Browser(tmp_path)
    point = '[aria-roledescription="point"]'
    try:
        chromium.open((drawn / NAMES[2]).as_uri())
        assert chromium.wait_for(f"document.querySelectorAll('{point}').length") == 36
        assert "4096x64" in chromium.evaluate("document.querySelector('details table').innerText")

        def mouse(kind: str, selector: str, **more: object) -> None:
            box = f"(box => [box.x + box.width / 2, box.y + box.height / 2])({selector}.getBoundingClientRect())"
            x, y = chromium.evaluate(box)
            chromium.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

        last = f"[...document.querySelectorAll('{point}')].at(-1)"
        mouse("mouseMoved", last)
        chromium.wait_for("document.querySelector('#vg-tooltip-element.visible') !== null")
        cells = (
            "[...document.querySelectorAll('#vg-tooltip-element tr')].map(r => [...r.cells].map(c => c.textContent))"
        )
        described = dict(chromium.evaluate(cells))
        assert described["Block spec"] == "8x64"
        assert described["First batch in the rate"] == "counted"
        assert described["mo'od"] == "</script><b>it's \\ odd</b>"
        assert "Host" not in described, "what a record lacks is left out"

        method = "[...document.querySelectorAll('.role-legend-entry text')].find(t => t.textContent == 'scipy.coo')"
        for kind in ("mousePressed", "mouseReleased"):
            mouse(kind, method, button="left", clickCount=1)
        clear = f"[...document.querySelectorAll('{point}')].filter(p => +p.getAttribute('opacity') > 0.4).length"
        chromium.wait_for(f"{clear} == 12")

        labels = "document.querySelector('.role-axis-label').textContent"
        before = chromium.evaluate(labels)
        mouse("mouseWheel", "document.querySelector('svg .background')", deltaX=0, deltaY=-300)
        chromium.wait_for(f"{labels} != {json.dumps(before)}")
        assert chromium.errors == []
        assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []
    finally:
        chromium.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nowhere.parquet", "no records at nowhere.parquet: `alb data-loader` writes them"),
        ("text.parquet", "text.parquet is no parquet file"),
        ("other.parquet", "other.parquet is no table of epoch records: it has no column n_rows, elapsed"),
        ("empty.parquet", "the table of records is empty"),
        ("oom.parquet", "nothing to draw: of 1 records, 1 ran out of memory and 0 lack"),
        ("all.parquet -D other", "no record matches: of 2 records, -D other leaves 0"),
        ("all.parquet -D small -H nobody", "of 2 records, -D small leaves 2, -H nobody leaves 0"),
        ("all.parquet -D 7:2", "-D '7:2': expected START:END with START below END"),
        ("all.parquet -H (", "-H '(' is no regular expression: missing )"),
        ("all.parquet -n many", "'many' is not a valid integer"),
        ("all.parquet --since tomorrow", "--since 'tomorrow': expected a date or a time"),
        ("all.parquet --since 2024-06-07T10:00Z", "expected no time zone"),
        ("all.parquet --machine m", "--machine m leaves 0"),
        ("all.parquet --s3", "--s3 leaves 0"),
        ("all.parquet -i g4dn.xlarge", "-i g4dn.xlarge leaves 0"),
        ("all.parquet -o text.parquet", "-o text.parquet is a file, expected a directory"),
        ("all.parquet -o text.parquet/out", "cannot make the directory text.parquet/out"),
        ("all.parquet more.parquet", "unexpected extra argument (more.parquet)"),
        (".", "no records at epochs.parquet"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.parquet").write_text("no parquet")
    pq.write_table(pa.table({"epoch": [1]}), "other.parquet")
    pq.write_table(table().slice(0, 0), "empty.parquet")
    pq.write_table(table(OOM), "oom.parquet")
    pq.write_table(table({}, {}), "all.parquet")
    there = sorted(Path().rglob("*"))
    assert words in refused("plot", *arguments.split())
    assert sorted(Path().rglob("*")) == there
