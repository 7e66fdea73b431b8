"""Records as points, filtered, and drawn by what draws for people."""

import json
import math
import re
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from figures import BEGAN, METHODS, marks, record, sweep, table
from hypothesis import example, given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.figures.chart import SHAPES, chart, shapes_of, spec_of
from alb_core.figures.points import NOT_SHOWN, SHOWN, notes, out_of_memory, points
from alb_core.figures.render import drawings, page
from alb_core.figures.select import DatasetSlice, Filters, parse_dataset, parse_host, parse_since, select
from alb_core.loader import block_pipeline
from alb_core.sweeps import records

DERIVED = {"samples_per_second", "peak_gib", "block_spec", "first_in_rate", "read_from"}


def spec(drawn, **options):
    return spec_of(chart(drawn, **options))


def svg(drawn, **options):
    return drawings(drawn, **options)["speed_vs_mem.svg"]().decode()


def whole(low, high):
    return st.none() | st.integers(low, high)


# Points


def test_every_column_is_shown_or_left_out_on_purpose():
    assert set(SHOWN) - DERIVED == set(records.COLUMNS) - set(NOT_SHOWN)
    assert set(NOT_SHOWN) <= set(records.COLUMNS)
    assert len({shown.title for shown in SHOWN.values()}) == len(SHOWN)


ROWS = st.fixed_dictionaries(
    {
        "n_rows": whole(-1, 2**40),
        "elapsed": st.none() | st.floats(allow_nan=True, allow_infinity=True),
        "max_mem": whole(-1, 2**62),
        "epoch": whole(-1, 9),
        "chunks_per_block": whole(0, 2**20),
        "chunk_size": whole(1, 2**20),
        "block_size": whole(0, 2**20),
        "chunk_method": st.sampled_from([None, "np.array", "other"]),
        "oom": st.sampled_from([None, False, True]),
        "seed": whole(0, 2**63 - 1),
    }
)


def drawable(row):
    settings_ = (row["epoch"], row["chunk_method"])
    positive = (row["n_rows"], row["elapsed"], row["max_mem"], row["chunks_per_block"], row["block_size"])
    if row["oom"] or None in settings_ or any(value is None or not 0 < value < math.inf for value in positive):
        return False
    return 0 < row["n_rows"] / row["elapsed"] < math.inf


TOO_FAST = {"n_rows": 2**40, "elapsed": 1e-320, "max_mem": 1, "epoch": 0, "oom": False, "seed": None}


@example([{**TOO_FAST, "chunks_per_block": 1, "chunk_size": 1, "block_size": 1, "chunk_method": "other"}])
@given(st.lists(ROWS, min_size=1, max_size=8))
def test_a_record_with_a_rate_a_peak_and_settings_is_a_point_and_no_other(rows):
    found = points(table(*rows)).to_pylist()
    expected = [row for row in rows if drawable(row)]
    assert sorted(point["samples_per_second"] for point in found) == sorted(
        row["n_rows"] / row["elapsed"] for row in expected
    )
    assert sorted(point["peak_gib"] for point in found) == sorted(row["max_mem"] / 2**30 for row in expected)
    order = [(-point["block_size"], point["epoch"]) for point in found]
    assert order == sorted(order)


def test_a_point_has_its_spec_and_its_seed_to_the_last_digit():
    late = BEGAN.replace(microsecond=999_999)
    (point,) = points(table({"seed": 2**60 + 1, "chunk_size": None, "start_dt": late})).to_pylist()
    assert point["block_spec"] == "64x64"
    assert point["seed"] == "1152921504606846977"
    assert point["start_dt"] == "2026-03-01 10:00:00"
    assert point["samples_per_second"] == 3000
    assert point["peak_gib"] == 2


def test_columns_of_the_user_are_shown_as_text_and_nested_ones_are_not():
    rows = table({}, {})
    rows = rows.append_column("it's", pa.array([1, None])).append_column("nested", pa.array([{"a": 1}, {"a": 2}]))
    found = points(rows)
    assert found.column("it's").to_pylist() == ["1", None]
    assert "nested" not in found.column_names


def test_a_table_without_the_newer_columns_is_drawn(tmp_path):
    old = table(*sweep()).select(list(records.NEEDED))
    pq.write_table(old, tmp_path / "old.parquet")
    loaded = records.load(tmp_path / "old.parquet")
    assert len(marks(svg(loaded))) == 36
    assert set(points(loaded).column_names) < set(SHOWN)
    assert points(loaded).column("first_in_rate").unique().to_pylist() == ["not said"]
    assert points(loaded).column("block_spec").unique().to_pylist()[0] == "512x64"


# Filters


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2:7", DatasetSlice(2, 7, False)),
        (":7", DatasetSlice(0, 7, False)),
        ("s2:7", DatasetSlice(2, 7, True)),
        ("s:7", DatasetSlice(0, 7, True)),
        ("small", "small"),
        ("census-benchmark_2:7", "census-benchmark_2:7"),
    ],
)
def test_a_dataset_is_a_slice_or_a_name(text, meant):
    assert parse_dataset(text) == meant


@pytest.mark.parametrize(
    ("parse", "texts", "said"),
    [
        (
            parse_dataset,
            ["", ":", "2:", "7:2", "2:2", "s7:2", "-1:2", "2:-7", "2:" + 30 * "9"],
            "-D {!r}: expected START",
        ),
        (parse_since, ["", "yesterday", "2024-13-01", "2024-06-07T11:00+02:00"], "--since {!r}: expected"),
        (parse_host, ["("], "-H {!r} is no regular expression: "),
    ],
)
def test_what_cannot_be_meant_is_refused(parse, texts, said):
    for text in texts:
        with pytest.raises(AlbError, match=re.escape(said.format(text))):
            parse(text)


CENSUS = {"uri": None, "dataset": None, "census_version": "2023-12-15", "start_idx": 0, "end_idx": 7}
MIXED = [
    {"machine": "ref2", "hostname": "abc", "start_dt": BEGAN + timedelta(days=1)},
    {"machine": None, "host": "tw2", "hostname": "ip-1.west", "instance_type": "g4dn.8xlarge", "max_batches": 50},
    {**CENSUS, "machine": None, "start_dt": None, "max_batches": None},
    {**CENSUS, "sorted_datasets": True, "census_uri": "/somewhere/census"},
    {"uri": "s3://bucket/data/census-benchmark_2:7/", "dataset": None, "start_idx": 2, "end_idx": 7},
    {"uri": "s3://bucket/data/census-benchmark_s2:7", "dataset": None},
    {"uri": None, "dataset": None, "max_batches": 2**60},
]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"dataset": "small"}, [0, 1]),
        ({"dataset": "data/soma/small"}, [0, 1]),
        ({"dataset": "census-benchmark_2:7"}, [4]),
        ({"dataset": DatasetSlice(0, 7, False)}, [2]),
        ({"dataset": DatasetSlice(0, 7, True)}, [3]),
        ({"dataset": DatasetSlice(2, 7, False)}, [4]),
        ({"dataset": DatasetSlice(2, 7, True)}, [5]),
        ({"host": re.compile("^tw[0-9]$")}, [1]),
        ({"host": re.compile(r"west|b.\b")}, [0, 1]),
        ({"instance_type": "g4dn.8xlarge"}, [1]),
        ({"machine": "ref2"}, [0, 3, 4, 5, 6]),
        ({"max_batches": 50}, [1]),
        ({"max_batches": 0}, [0, 2, 3, 4, 5]),
        ({"max_batches": 2**60}, [6]),
        ({"since": BEGAN + timedelta(days=1)}, [0]),
        ({"since": BEGAN}, [0, 1, 3, 4, 5, 6]),
        ({"s3": True}, [2, 4, 5]),
        ({"s3": False}, [0, 1, 3, 6]),
        ({"s3": True, "machine": "ref2", "dataset": DatasetSlice(2, 7, True)}, [5]),
    ],
)
def test_a_filter_keeps_what_it_says(filters, kept):
    rows = table(*({**row, "nnz": number} for number, row in enumerate(MIXED)))
    assert select(rows, Filters(**filters)).column("nnz").to_pylist() == kept


def test_nothing_left_tells_how_many_each_filter_left():
    said = "no record matches: of 7 records, -D 2:7 leaves 1, -n 9 leaves 0, --machine m leaves 0"
    with pytest.raises(AlbError, match=re.escape(said)):
        select(table(*MIXED), Filters(dataset=parse_dataset("2:7"), max_batches=9, machine="m"))
    # More than a column holds.
    with pytest.raises(AlbError, match="no record matches"):
        select(table(), Filters(max_batches=10**30))
    with pytest.raises(AlbError, match="the table of records is empty"):
        select(table().slice(0, 0), Filters())


# Notes


def test_notes_name_machine_dataset_batches_and_records():
    lines = notes(table({"hardware": "Xeon, 2 CPUs"}, {"hardware": "Xeon, 2 CPUs"}))
    assert lines == [
        "ref2 (Xeon, 2 CPUs) · dataset small · from local files · batches of 1,024 · 2 records",
        "Rates count the first batch of an epoch",
    ]
    many = [{"machine": None, "host": f"t{number}", "instance_type": "g4", "dataset": "b"} for number in range(5)]
    line = notes(table(*many, {"batch_size": 64, "max_batches": 50}))[0]
    assert line == (
        "ref2, t0 (g4), t1 (g4) and 3 more · datasets b and small · from local files · batches of 64 and 1,024, "
        "some stopped after 50 · 6 records"
    )
    bare = {"machine": None, "uri": None, "dataset": None, "batch_size": None, "start_idx": 2, "end_idx": 7}
    assert notes(table(bare))[0] == "dataset Census 2:7 · batches of unknown size · 1 record"


def test_the_figure_says_how_many_cells_were_read_and_from_where():
    local, remote = {"n_rows": 100, "total_rows": 100}, {"n_rows": 50, "total_rows": 100, "uri": "s3://bucket/x"}
    drawn = table(local, {**remote, "epoch": 1})
    assert "50 of 100 cells and all 100 cells · from local files and S3 (orange rims)" in notes(drawn)[0]
    assert sorted(marked["stroke"] for _, marked in marks(svg(drawn))) == ["#1f2328", "#d1480f"]
    [alone] = {marked["stroke"] for _, marked in marks(svg(table(remote)))}
    assert alone == "#1f2328" and "from S3 · " in notes(table(remote))[0]


@pytest.mark.parametrize(
    ("counted", "said", "hollow"),
    [
        ([True, True], "Rates count the first batch of an epoch", 0),
        ([False, False], "Rates leave out the first batch of an epoch", 0),
        ([None, None], "The records do not say whether their rates leave out the first batch of an epoch", 0),
        ([False, True, True], "Hollow: the rate leaves out the first batch of an epoch (1 of 3 records)", 1),
        ([False, None], "1 of 2 records do not say whether their rates leave out the first batch", 1),
    ],
)
def test_rates_without_the_first_batch_are_marked(counted, said, hollow):
    drawn = table(*({"first_batch_counted": value, "epoch": number} for number, value in enumerate(counted)))
    assert said in notes(drawn)
    text = svg(drawn)
    assert said in text
    assert sum(marked.get("fill-opacity") == "0" for _, marked in marks(text)) == hollow


def test_configurations_out_of_memory_are_named_once_and_no_points():
    failed = {"oom": True, "elapsed": None, "n_rows": None, "max_mem": None, "chunk_method": "np.array"}
    rows = table({}, {"elapsed": None}, failed, {**failed, "epoch": 1}, {**failed, "chunk_method": "<b>"})
    assert notes(rows)[-2:] == [
        "2 configurations ran out of memory: np.array 64x64 and <b> 64x64",
        "1 record lacks a rate, a peak or a setting",
    ]
    assert len(marks(svg(rows))) == 1
    html = page(spec(rows), out_of_memory(rows))
    assert html.count("<tr><td>") == 2
    assert "<td>&lt;b&gt;</td><td>64x64</td><td>1024</td>" in html
    with pytest.raises(AlbError, match="nothing to draw: of 3 records, 2 ran out of memory and 1 lack a rate"):
        chart(rows.slice(1, 3))


# The drawing


def reach(marked):
    """How far a mark goes from its middle, in pixels."""
    return max(abs(float(number)) for number in re.findall(r"-?[\d.]+", marked["d"])[:2])


def test_each_method_has_a_shape_of_its_own():
    assert set(block_pipeline.METHODS) <= set(SHAPES)
    assert len(set(SHAPES.values())) == len(SHAPES)
    assert len(shapes_of(f"method {number}" for number in range(40))) == 40, "more than there are shapes"


@given(st.sets(st.text(min_size=1), max_size=6), st.sets(st.sampled_from(sorted(SHAPES))))
def test_the_shape_of_a_method_is_its_name_s(others, known):
    others -= set(SHAPES)
    found = shapes_of(others | known)
    assert found == {**{name: SHAPES[name] for name in known}, **shapes_of(others)}
    assert len(set(found.values())) == len(found)


def test_every_record_is_a_mark_with_its_shape_size_colour_and_opacity():
    rows = sweep()
    drawn = marks(svg(table(*rows)))
    assert len(drawn) == len(rows) == 36
    of = {tuple(re.findall(r": ([^;]+)", described)[2:]): marked for described, marked in drawn}
    assert len(of) == 36
    small, large = of["8", "1", "512", "np.array"], of["512", "1", "32,768", "np.array"]
    letters = {method: re.sub(r"[^A-Za-z]", "", of["8", "1", "512", method]["d"]) for method in METHODS}
    assert "A" in letters["np.array"], "a circle has arcs"
    assert letters["scipy.coo"] == "MLLZ", "a triangle has three corners"
    assert len(letters["scipy.csr"]) == 5, "a square has four"
    assert reach(large) > 2 * reach(small)
    assert small["fill"] != large["fill"]
    assert of["64", "0", "4,096", "scipy.coo"]["fill"] == of["64", "1", "4,096", "scipy.csr"]["fill"]
    assert float(of["8", "0", "512", "np.array"]["opacity"]) < float(small["opacity"])


@pytest.mark.parametrize(
    "same",
    [
        {"block_size": 4096},
        {"chunks_per_block": 64},
        {"chunk_method": "scipy.csr"},
        {"epoch": 3},
        {"block_size": 1, "chunks_per_block": 1, "chunk_method": "another", "epoch": 0},
        {"chunks_per_block": 3, "block_size": 3_000, "max_mem": 2**30, "elapsed": 4.0},
    ],
)
def test_marks_can_be_read_where_nothing_tells_them_apart(same):
    for _, marked in marks(svg(table(*({**row, **same} for row in sweep())))):
        assert 3 < reach(marked) < 12
        assert float(marked["opacity"]) >= 0.45
        assert marked["fill"].startswith("rgb(")


def test_a_legend_of_many_names_a_few_with_both_ends():
    rows = [{"epoch": number, "block_size": 64 * (number + 1), "chunks_per_block": 2**number} for number in range(30)]
    encoding = spec(table(*rows))["encoding"]
    epochs = encoding["opacity"]["condition"]["legend"]["values"]
    assert (len(epochs), epochs[0], epochs[-1]) == (6, 0, 29)
    sizes = encoding["size"]["legend"]["values"]
    assert (len(sizes), sizes[0], sizes[-1]) == (6, 64, 1920)
    chunks = encoding["color"]["legend"]["values"]
    assert chunks[0] == 1
    assert chunks[-1] == 2**29
    assert len(chunks) <= 9


def test_memory_is_linear_from_zero_or_logarithmic():
    rows = table({"max_mem": 2**31}, {"max_mem": 2**35})
    across = re.compile(r"translate\(([\d.]+),")
    x = [float(across.search(marked["transform"])[1]) for _, marked in marks(svg(rows))]
    assert x[1] == pytest.approx(16 * x[0])
    log = [float(across.search(marked["transform"])[1]) for _, marked in marks(svg(rows, log_memory=True))]
    assert log == pytest.approx([0, 780])


def test_thousands_of_records_are_drawn():
    rows = records.as_table([record()]).take(pa.array([0] * 6000))
    rows = rows.set_column(rows.column_names.index("elapsed"), "elapsed", pc.add(pa.array(range(6000)), 1.0))
    assert len(marks(svg(rows))) == 6000


def test_the_specification_is_plain_vega_lite_without_addresses():
    found = spec(table({"max_mem": 3 * 2**29, "gc": math.nan, "reading": 1 / 3}))
    assert found["data"]["name"] == "points"
    (point,) = found["data"]["values"]
    assert point["peak_gib"] == 1.5
    assert point["reading"] == 0.333333
    assert not {"gc", "host"} & set(point)
    addresses = re.findall(r"https?://[^\"]+", json.dumps(found))
    assert addresses == [found["$schema"]]


def test_a_long_subtitle_is_broken_between_its_parts():
    drawn = table(*({"dataset": f"{number}-" + 35 * "d", "machine": f"{number}-" + 20 * "m"} for number in range(3)))
    lines = spec(drawn)["title"]["subtitle"]
    assert [line[:8] for line in lines] == ["0-mmmmmm", "datasets", "from loc", "Rates co"]
    assert all(len(line) <= 145 and not line.endswith(("·", " ")) for line in lines)
