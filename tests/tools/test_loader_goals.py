"""Goals: who is measured for each, and where it stands by figures that are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from outcomes import WORKLOAD, outcome

from alb_core.loader import memory_budget
from alb_core.peers.compare.results import Outcome
from tools.loader_goals import GOALS, ML, MODULES, OURS, RAW, of_rows, roles_for_goals, verdicts

SETTINGS = {RAW: ("default", "16 MiB", "64 MiB"), OURS: ("default", "best"), ML: ("default", "best")}
RETILED = replace(WORKLOAD, dataset="tiled", location="/data/tiled")


def sized(rows: int, rate: float) -> Outcome:
    return outcome(rates=(rate,), workload=of_rows(WORKLOAD, rows, 32768), n_rows=rows, elapsed=rows / rate)


def made_up(**changed: list[Outcome]) -> dict[str, list[Outcome]]:
    """Figures by which each goal is just met."""
    ml, raw = "tiledbsoma_ml", "raw_tables"
    roles = {
        "sequential": [outcome(rates=(18_000, 9_000, 18_000))],
        "sequential ml": [outcome(ml, "best", (8_000, 4_000, 8_000)), outcome(ml, "best+", (12_000, 6_000, 12_000))],
        "sequential raw": [outcome(raw, "16 MiB", (20_000, 10_000, 20_000)), outcome(raw, "1 GiB", (9_000,) * 3)],
        "shuffled": [outcome(rates=(12_000, 6_000, 12_000), peak=2 * 2**30)],
        "shuffled ml default": [outcome(ml, "default", (6_000, 3_000, 6_000))],
        "shuffled ml": [outcome(ml, "best", (8_000, 4_000, 8_000))],
        "sequential consumer": [outcome(rates=(3_000,), waiting=0.5)],
        "consumer": [outcome(rates=(3_000,), waiting=0.5)],
        "census layout": [outcome(rates=(10_000,))],
        "retiled": [outcome(rates=(18_000,))],
        "sequential rows": [sized(16384, 9_500), sized(65536, 9_000), sized(262144, 10_000)],
        "rows": [sized(16384, 9_000), sized(65536, 10_000), sized(262144, 9_500)],
        "proof": [],
    }
    return {**roles, **changed}


def judged(disk: Any = None, why: Any = None, **changed: list[Outcome]) -> dict[str, Any]:
    sizes = {"retiled": 105 * 2**20, "census layout": 100 * 2**20} if disk is None else disk
    return {one.goal.name: one for one in verdicts(made_up(**changed), why or {}, sizes)}


def test_goals_that_are_just_met() -> None:
    found = judged()
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(found, "met")
    names = ["L1a", "L1b", "L2a", "L2b", "L3a", "L3b", "L4", "L5a", "L5b", "L6a", "L6b"]
    assert [one.name for one in GOALS] == list(found) == names
    reached = {name: round(one.reached, 3) for name, one in found.items()}
    assert reached == dict(zip(found, (1.5, 0.9, 2.0, 1.5, 5.0, 5.0, 2.0, 1.8, 5.0, 0.9, 0.9), strict=True))


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"sequential": [outcome(rates=(17_000, 8_500, 17_000))]}, {"L1a", "L1b"}),
        ({"sequential raw": [outcome("raw_tables", "x", (21_000, 10_500, 21_000))]}, {"L1b"}),
        ({"shuffled ml default": [outcome("tiledbsoma_ml", "default", (6_500, 3_250, 6_500))]}, {"L2a"}),
        ({"shuffled ml": [outcome("tiledbsoma_ml", "best", (9_000, 4_500, 9_000))]}, {"L2b"}),
        ({"sequential consumer": [outcome(rates=(3_000,), waiting=0.6)]}, {"L3a"}),
        ({"consumer": [outcome(rates=(3_000,), waiting=0.6)]}, {"L3b"}),
        ({"shuffled": [outcome(rates=(12_000, 6_000, 12_000), peak=2 * 2**30 + 2**20)]}, {"L4"}),
        ({"retiled": [outcome(rates=(17_000,))]}, {"L5a"}),
        ({"sequential rows": [sized(16384, 10_000), sized(65536, 8_900)]}, {"L6a"}),
        ({"rows": [sized(16384, 8_900), sized(65536, 10_000)]}, {"L6b"}),
        ({"disk": {"retiled": 106, "census layout": 100}}, {"L5b"}),
        ({"disk": {"retiled": 94, "census layout": 100}}, {"L5b"}),
    ],
)
def test_goals_that_are_just_missed(changed: dict[str, Any], missed: set[str]) -> None:
    found = judged(**changed)
    assert {name for name, one in found.items() if one.state == "not met"} == missed
    assert {one.state for name, one in found.items() if name not in missed} == {"met"}


def test_a_cap_is_held_by_the_largest_of_all_rounds() -> None:
    shuffled = outcome(rates=(12_000, 6_000, 12_000))
    shuffled.runs[1] = replace(shuffled.runs[1], peak=3 * 2**30)
    assert judged(shuffled=[shuffled])["L4"].reached == 3


def test_a_loader_that_was_not_measured_leaves_its_goals_open() -> None:
    away = outcome("tiledbsoma_ml", state="n/a", reason="tiledbsoma_ml is not installed")
    found = judged(**{"sequential ml": [away, away], "shuffled ml": [away], "shuffled ml default": [away]})
    assert {name for name, one in found.items() if one.state == "not measured"} == {"L1a", "L2a", "L2b"}
    assert found["L2a"].line() == (
        "L2a  shuffled: alb_core / tiledbsoma-ml's defaults: not measured: tiledbsoma_ml (best): n/a: tiledbsoma_ml "
        "is not installed"
    )
    one_of_two = judged(**{"sequential ml": [away, outcome("tiledbsoma_ml", rates=(12_000, 6_000, 12_000))]})
    assert one_of_two["L1a"].state == "met"
    died = [sized(16384, 1.0), outcome(state="failed", reason="died")]
    assert judged(rows=died)["L6b"].state == judged(**{"sequential rows": died})["L6a"].state == "not measured"


def test_without_a_retiled_copy_its_goals_say_what_makes_one() -> None:
    why = dict.fromkeys(("retiled", "census layout"), "alb data retile small NAME first")
    found = judged(disk={}, why=why, **{"retiled": [], "census layout": []})
    assert found["L5a"].line().endswith("Census layout: not measured: alb data retile small NAME first")
    assert found["L5b"].line().endswith("apart from 1: not measured: alb data retile small NAME first")


def test_lines_say_what_was_reached_and_what_it_is_made_of() -> None:
    found = judged()
    assert found["L1a"].line() == (
        "L1a  sequential: alb_core / the best of tiledbsoma-ml: 1.50x, goal at least 1.50x: met. "
        "ours (best) 18,000 cells/s (15.0 CPU s in 1.7 s) against "
        "tiledbsoma_ml (best+) 12,000 cells/s (15.0 CPU s in 2.5 s), 3 rounds"
    )
    assert "16,384 rows: 9,000 cells/s, 65,536 rows (2 epochs of 32,768): 10,000 cells/s" in found["L6b"].line()
    between = "; from 16,384 to 65,536 rows at 10,385 cells/s, from 65,536 to 262,144 rows at 9,344 cells/s"
    assert found["L6b"].line().endswith(between)
    assert (
        found["L4"].line().startswith("L4   peak memory of the whole tree, shuffled: 2.00 GiB, goal at most 2.00 GiB")
    )
    uneven = judged(retiled=[outcome(rates=(18_000, 20_000))], **{"census layout": [outcome(rates=(10_000, 10_000))]})
    assert "1.90x (1.80-2.00x), goal" in uneven["L5a"].line()
    assert json.loads(json.dumps(found["L3a"].as_json()))["state"] == "met"


def test_who_is_measured_for_the_goals() -> None:
    roles = roles_for_goals(WORKLOAD, 133_790, RETILED, SETTINGS)
    assert set(roles) == set(made_up())
    assert {one.module for ones in roles.values() for one in ones} == set(MODULES)
    found = {
        role: [(one.setting, one.workload.shuffle, one.workload.block_size) for one in ones]
        for role, ones in roles.items()
    }
    assert found["sequential"] == [("best", False, 32768)]
    assert found["sequential raw"] == [("16 MiB", False, 32768), ("64 MiB", False, 32768)]
    assert found["shuffled ml default"] == [("default", True, 32768)]
    assert found["retiled"] == found["census layout"] == [("tight", True, 16384)]
    places = [one.workload.location for one in roles["retiled"] + roles["census layout"]]
    assert places == ["/data/tiled", "/data/small"]
    assert [roles[f"{order}consumer"][0].workload.consumer_ms for order in ("", "sequential ")] == [100, 100]
    assert {one.workload.shuffle for role in roles if role.startswith("sequential") for one in roles[role]} == {False}
    assert {one.module for one in roles["proof"]} == {RAW}
    assert [one.workload.rows for one in roles["proof"]] == [16384, 65536, 131072]
    assert all(one.proof_only and one.workload.passes == 1 for one in roles["proof"])


def test_the_best_of_another_loader_has_each_option_of_tiledb_that_ours_has() -> None:
    roles = roles_for_goals(WORKLOAD, 133_790, None, SETTINGS)
    assert [one.options.get("config") for one in roles["shuffled ml"]] == [None, memory_budget.tuned_config()]
    assert roles["retiled"] == roles["census layout"] == []


@pytest.mark.parametrize(
    ("wanted", "n_rows", "rows", "passes"),
    [
        (16384, 32768, 16384, 1),
        (32768, 32768, None, 1),
        (65536, 32768, None, 2),
        (262144, 133790, 131072, 2),
        (16384, 4096, None, 4),
        (1000, 300, 250, 4),
    ],
)
def test_rows_are_the_first_ones_or_several_epochs(wanted: int, n_rows: int, rows: int | None, passes: int) -> None:
    found = of_rows(WORKLOAD, wanted, n_rows)
    assert (found.rows, found.passes) == (rows, passes)
    assert (rows or n_rows) * passes == wanted
