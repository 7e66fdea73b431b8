"""What the page of verdicts and loaders shows, and says where there is nothing."""

import json

import pytest
from asv_site import BENCHMARK
from outcomes import outcome

from alb_core.peers.compare.saved import Comparison
from alb_core.site import trust
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates


def written(site):
    return json.loads((site / trust.INDEX).read_text())["machines"]


def machine(results, name="m"):
    (results / name).mkdir(parents=True)
    hardware = {"machine": name, "cpu": "C", "num_cpu": "2", "ram": str(2**34), "arch": "x86_64"}
    (results / name / "machine.json").write_text(json.dumps(hardware))


def test_what_is_not_known_is_empty(tmp_path):
    assert trust.write(tmp_path, tmp_path / "results") == [] and written(tmp_path) == []
    machine(tmp_path / "results")
    assert trust.write(tmp_path, tmp_path / "results") == []
    known = {"name": "m", "hardware": "C, 2 CPUs, 16 GiB, x86_64", "faults": []}
    assert written(tmp_path) == [{**known, "calibration": None, "loaders": []}]


def test_rates_come_with_their_intervals_and_unknown_ones_are_empty(tmp_path):
    results = tmp_path / "results"
    machine(results)
    drawn = {"resampled_false_alarms": Rate(20, 1000), "resampled_power": {"25%": Rate(900, 1000)}}
    cases = {
        f"{BENCHMARK}(1)": VerdictRates(Rate(0, 0), {"25%": Rate(5, 10)}, "1", 0.075, **drawn, visible=0.12, step=0.2)
    }
    whole = VerdictRates(Rate(1, 100), {"10%": Rate(9, 10)})
    times = "2026-11-22T10:00:00", "c" * 40, 600.0
    calibration_file.save(results, Calibration("m", *times, {"sort": 0.1}, cases, whole, rounds=60, verdict_rounds=12))
    assert trust.write(tmp_path, results) == []
    [found] = written(tmp_path)
    calibration = found["calibration"]
    drawn = [row for panel in calibration.pop("figure")["datasets"].values() for row in panel]
    shares = {(row["case"], row["size"]): (row["share"], row.get("low", 0)) for row in drawn}
    one = f"{BENCHMARK}(1)"
    assert shares == {
        ("", 0.0): (0.01, pytest.approx(0.0003, abs=1e-4)),
        ("", 10.0): (0.9, pytest.approx(0.555, abs=1e-3)),
        (one, 0.0): (0.02, 0),
        (one, 25.0): (0.9, pytest.approx(0.187, abs=1e-3)),
    }
    meanings = dict(calibration.pop("meanings"))
    assert {*meanings} == {"false alarms", "finds", "visible", "step", "threshold"}
    assert calibration == {
        "measured": "2026-11-22",
        "commit": "c" * 40,
        "budget": "10 minutes",
        "rounds": 60,
        "verdict_rounds": 12,
        "canary": "sort 10 %",
        "table": [
            ["benchmark", "false alarms", "finds 10%", "finds 25%", "visible", "step", "threshold"],
            ["the verdict as a whole", "1 of 100 (0 to 5 %)", "9 of 10 (55 to 100 %)", "", "", "", ""],
            [
                one,
                "20 of 1,000 resampled",
                "",
                "5 of 10 (19 to 81 %)\n900 of 1,000 resampled",
                *("12 %", "20 %", "7.5 %"),
            ],
        ],
    }


def test_loaders_are_drawn_and_columns_without_a_figure_are_left_out(tmp_path, monkeypatch):
    machine(tmp_path / "results")
    outcomes = [
        outcome("raw_tables", "default", (9000.0,), quality=None),
        outcome("ours", "best", (3000.0, 4000.0, 5000.0), first_batch=2.0, quality=None),
        outcome("theirs", "default", (1000.0,), first_batch=5.0, quality=None),
    ]
    kept = Comparison("small", 40_000, 3, "2026-11-22", outcomes)
    monkeypatch.setattr(trust.saved, "load", lambda results, name: [kept])
    assert trust.write(tmp_path, tmp_path / "results") == []
    [found] = written(tmp_path)[0]["loaders"]
    assert found["said"] == "small, chunks of 64, blocks of 32,768: all 40,000 cells, from local files, 3 rounds"
    assert "shuffle" not in found["table"][0] and "first batch" in dict(found["meanings"])
    against, dots = found["figures"]
    rows = [row for rows in dots["datasets"].values() for row in rows if "name" in row]
    assert {(row["name"], row["low"], row["middle"], row["high"]) for row in rows} == {
        ("ours (best)", 3000.0, 4000.0, 5000.0),
        ("theirs (default)", 1000.0, 1000.0, 1000.0),
        ("ours (best)", 2.0, 2.0, 2.0),
        ("theirs (default)", 5.0, 5.0, 5.0),
    }
    assert {row["loader"] for row in against["data"]["values"]} == {"ours", "theirs", "raw_tables"}


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(tmp_path):
    results = tmp_path / "results"
    for name in ("a", "b"):
        machine(results, name)
    (results / "a" / "calibration.json").write_text("{")
    (results / "b" / "loaders.json").write_text('{"schema_version": 9}')
    first, second = trust.write(tmp_path, results)
    assert "a/calibration.json is no calibration" in first and "b/loaders.json is no file of comparisons" in second
    assert [one["faults"] for one in written(tmp_path)] == [[first], [second]]
