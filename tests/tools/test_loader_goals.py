"""Goals: who is measured for each, and where it stands by figures that are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from outcomes import WORKLOAD, outcome

from alb_core.loader import memory_budget
from alb_core.peers.compare.results import Outcome
from tools.loader_goals import ML, MODULES, OURS, RAW, contenders_by_role, of_rows, results

SETTINGS = {RAW: ("default", "16 MiB", "64 MiB"), OURS: ("default", "best"), ML: ("default", "best")}


def sized(rows: int, rate: float) -> Outcome:
    return outcome(rates=(rate,), workload=of_rows(WORKLOAD, rows, 32768), n_rows=rows, elapsed=rows / rate)


def found(disk: int = 105, **changed: list[Outcome]) -> dict[str, Any]:
    """Results by figures by which each goal is just met, but for what is changed; ratios of each round are alike."""
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
        **changed,
    }
    return {one.goal.name: one for one in results(roles, {}, {"retiled": disk, "census layout": 100})}


def test_goals_that_are_just_met() -> None:
    reached = {name: (one.state, round(one.reached, 3)) for name, one in found().items()}
    figures = (1.5, 0.9, 2.0, 1.5, 5.0, 5.0, 2.0, 1.8, 5.0, 0.9, 0.9)
    names = ("L1a", "L1b", "L2a", "L2b", "L3a", "L3b", "L4", "L5a", "L5b", "L6a", "L6b")
    assert reached == {name: ("met", figure) for name, figure in zip(names, figures, strict=True)}


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"sequential": [outcome(rates=(17_000, 8_500, 17_000))]}, {"L1a", "L1b"}),
        ({"shuffled ml default": [outcome("tiledbsoma_ml", "default", (6_500, 3_250, 6_500))]}, {"L2a"}),
        ({"consumer": [outcome(rates=(3_000,), waiting=0.6)]}, {"L3b"}),
        ({"shuffled": [outcome(rates=(12_000, 6_000, 12_000), peak=2 * 2**30 + 2**20)]}, {"L4"}),
        ({"rows": [sized(16384, 8_900), sized(65536, 10_000)]}, {"L6b"}),
        ({"disk": 106}, {"L5b"}),
        ({"disk": 94}, {"L5b"}),
    ],
)
def test_goals_that_are_just_missed(changed: dict[str, Any], missed: set[str]) -> None:
    assert {name for name, one in found(**changed).items() if one.state == "not met"} == missed


def test_a_loader_that_was_not_measured_leaves_its_goals_open() -> None:
    away = outcome("tiledbsoma_ml", state="n/a", reason="tiledbsoma_ml is not installed")
    open_goals = found(**{"sequential ml": [away, away], "shuffled ml": [away], "shuffled ml default": [away]})
    assert {name for name, one in open_goals.items() if one.state == "not measured"} == {"L1a", "L2a", "L2b"}
    assert open_goals["L2a"].line().endswith("not measured: tiledbsoma_ml (best): n/a: tiledbsoma_ml is not installed")
    one_of_two = found(**{"sequential ml": [away, outcome("tiledbsoma_ml", rates=(12_000, 6_000, 12_000))]})
    assert one_of_two["L1a"].state == "met"
    assert found(rows=[sized(16384, 1.0), outcome(state="failed", reason="died")])["L6b"].state == "not measured"


def test_a_line_says_what_was_reached_and_what_it_is_made_of() -> None:
    assert found()["L1a"].line() == (
        "L1a  sequential: alb_core / the best of tiledbsoma-ml: 1.50x, goal at least 1.50x: met. "
        "ours (best) 18,000 cells/s (15.0 CPU s in 1.7 s) against "
        "tiledbsoma_ml (best+) 12,000 cells/s (15.0 CPU s in 2.5 s), 3 rounds"
    )


def test_who_is_measured_for_what() -> None:
    retiled = replace(WORKLOAD, dataset="tiled", location="/data/tiled")
    roles = contenders_by_role(WORKLOAD, 133_790, retiled, SETTINGS)
    assert {one.module for ones in roles.values() for one in ones} == set(MODULES)
    assert [one.setting for one in roles["sequential raw"]] == ["16 MiB", "64 MiB"]
    assert [one.options.get("config") for one in roles["shuffled ml"]] == [None, memory_budget.tuned_config()]
    assert [one.workload.location for one in roles["retiled"] + roles["census layout"]] == [
        "/data/tiled",
        "/data/small",
    ]
    assert {one.workload.shuffle for role in roles if role.startswith("sequential") for one in roles[role]} == {False}
    assert [(one.module, one.proof_only, one.workload.rows) for one in roles["proof"]] == [
        (RAW, True, rows) for rows in (16384, 65536, 131072)
    ]


@pytest.mark.parametrize(
    ("wanted", "n_rows", "rows", "passes"),
    [(16384, 32768, 16384, 1), (65536, 32768, None, 2), (262144, 133790, 131072, 2), (1000, 300, 250, 4)],
)
def test_rows_are_the_first_ones_or_several_epochs(wanted: int, n_rows: int, rows: int | None, passes: int) -> None:
    limited = of_rows(WORKLOAD, wanted, n_rows)
    assert (limited.rows, limited.passes) == (rows, passes) and (rows or n_rows) * passes == wanted
