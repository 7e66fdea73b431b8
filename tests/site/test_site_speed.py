"""asv's results as records, and as the files of the page."""

import json
import math

import pytest
from asv.results import Results

from alb_core.site import speed
from alb_core.site.epoch_records import Subject, commit_epochs
from alb_core.site.speed import PageCommit
from alb_core.sweeps.records import as_table

CODE = """class L:
    def setup(self, method, shuffle):
        LoadCase('mini', method, '8x64', shuffle, batch_size=1024)
"""
PARAMETERS = [["'np.array'", "'numba'"], ["'none'", "'block'"]]
COMMITS = ("a" * 40, "b" * 40)
SUBJECT = Subject("m", "ALB_STACK 1", "mini", "l.L")


def listed(version="1"):
    common = {"code": CODE, "params": PARAMETERS, "param_names": ["method", "shuffle"], "version": version}
    return {f"l.L.{name}": dict(common) for name in ("time_epoch", "peakmem_epoch", "track_first_batch")}


def results(commit=COMMITS[0], factor=1.0, **changed):
    """Results of four combinations: the first is n/a, the third has no peak."""
    hardware = {"machine": "m", "cpu": "C", "num_cpu": "2", "ram": str(2**34), "arch": "x86_64"}
    found = Results(hardware, {"tiledbsoma": "2.3.0"}, commit, 1, "3.11", "env", {"ALB_STACK": "1"})
    figures = {
        "time_epoch": [math.nan, 2.0 * factor, 4.0, 8.0],
        "peakmem_epoch": [2**30, 2**30, None, 2**29],
        "track_first_batch": [None, 0.5, 0.5, math.nan],
        **changed,
    }
    for name, values in figures.items():
        key = f"l.L.{name}"
        found._results[key], found._benchmark_params[key], found._benchmark_version[key] = values, PARAMETERS, "1"
        found._started_at[key], found._stats[key] = 1767268800000, None
    found._stats["l.L.time_epoch"] = [None, {"q_25": 1.9, "q_75": 2.2, "repeat": 8}, None, None]
    return found


def test_times_and_peaks_are_paired_by_parameters():
    [found] = commit_epochs(results(), listed())
    assert (found.subject, found.commit, found.lacking) == (SUBJECT, COMMITS[0], 2)
    first, second = found.records
    assert (first["chunk_method"], first["shuffle"], first["elapsed"]) == ("np.array", "block", 2.0)
    assert (first["n_rows"], first["max_mem"], first["first_batch"]) == (4096, 2**30, 0.5)
    assert (first["chunks_per_block"], first["chunk_size"], first["block_size"]) == (8, 64, 512)
    assert (first["Middle half (s)"], first["Samples of the time"]) == ("1.9 to 2.2", "8")
    assert first["hardware"] == "C, 2 CPUs, 16 GiB, x86_64" and first["tiledbsoma_version"] == "2.3.0"
    assert (second["chunk_method"], second["elapsed"], second["first_batch"]) == ("numba", 8.0, None)


@pytest.mark.parametrize(
    ("changed", "known"),
    [
        ({}, listed("2")),
        ({"time_epoch": None}, listed()),
        ({}, {name: one for name, one in listed().items() if "peakmem" not in name}),
        ({}, {name: {**one, "code": CODE.replace("mini", "unknown")} for name, one in listed().items()}),
        ({}, {name: {**one, "code": CODE.replace("LoadCase", "OpenCase")} for name, one in listed().items()}),
    ],
)
def test_what_has_no_pair_no_version_or_no_rows_is_left_out(changed, known):
    assert list(commit_epochs(results(**changed), known)) == []


def releases(*names):
    return {
        commit: PageCommit(name, commit, 10, 5 - at)
        for at, (commit, name) in enumerate(zip(COMMITS, names, strict=False))
    }


def written(site, name):
    return json.loads((site / name).read_text())


def test_the_page_has_a_figure_for_a_subject_and_its_releases_in_order(tmp_path):
    found = [
        one
        for commit, factor in zip(COMMITS, (1, 2), strict=True)
        for one in commit_epochs(results(commit, factor), listed())
    ]
    assert speed.write(tmp_path, found, releases("2.0.0", "1.9.0")) == 1
    [about] = written(tmp_path, "alb/speed.json")["figures"]
    assert [one["name"] for one in about["releases"]] == ["1.9.0", "2.0.0"]
    assert [one["lacking"] for one in about["releases"]] == [2, 2]
    assert (about["rows"], about["shuffles"], about["machine"]) == (4096, ["block"], "m")
    content = written(tmp_path, about["file"])
    points = [{**content["common"], **point} for point in content["points"]]
    assert {(point["release"], point["chunk_method"], point["samples_per_second"]) for point in points} == {
        ("2.0.0", "np.array", 2048),
        ("2.0.0", "numba", 512),
        ("1.9.0", "np.array", 1024),
        ("1.9.0", "numba", 512),
    }
    assert content["common"]["dataset"] == "mini" and "release" not in content["common"]
    spec = content["spec"]
    assert spec["data"] == {"name": "points", "values": []}
    # The same frame for all releases.
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, pytest.approx(1.05)]
    assert spec["encoding"]["y"]["scale"]["domain"] == [0, pytest.approx(1.05 * 2048)]
    fields = {channel: spec["encoding"][channel]["field"] for channel in ("x", "y", "shape", "size", "color")}
    assert fields == {
        "x": "peak_gib",
        "y": "samples_per_second",
        "shape": "chunk_method",
        "size": "block_size",
        "color": "chunks_per_block",
    }


def test_commits_that_are_not_shown_have_no_place(tmp_path):
    assert speed.write(tmp_path, commit_epochs(results(), listed()), {}) == 0
    assert written(tmp_path, "alb/speed.json") == {"figures": []}


def test_the_records_are_those_of_alb_plot():
    [found] = commit_epochs(results(), listed())
    assert as_table(found.records).num_rows == 2
