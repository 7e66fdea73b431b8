"""asv publishes the benchmarks that were measured, and its own list stays what it was."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from asv.benchmarks import Benchmarks
from asv.results import iter_results
from asv.runner import BenchmarkResult
from asv.util import write_json
from hypothesis import given
from hypothesis import strategies as st
from recorded import BASE, BENCHMARKS, HEAD, MACHINE, PEAK, TIME, blank

from alb_core.rounds.results import shared, valid


@pytest.fixture
def conf(tmp_path):
    (tmp_path / MACHINE).mkdir()
    write_json(str(tmp_path / MACHINE / "machine.json"), {"machine": MACHINE}, 1)
    write_json(str(tmp_path / "benchmarks.json"), dict(BENCHMARKS), Benchmarks.api_version)
    return SimpleNamespace(results_dir=str(tmp_path), benchmark_dir="benchmarks")


def measure(conf, name, values=(1.0,) * 4, commit=BASE):
    found = blank(commit)
    found.load_data(conf.results_dir)
    made = BenchmarkResult(list(values), [None] * 4, [None] * 4, 0, "", None)
    found.add_result(BENCHMARKS[name], made, record_samples=True)
    found.save(conf.results_dir)


def listed(conf):
    """What asv has in its list while it publishes."""
    results = Path(conf.results_dir)
    with valid.drawn_alone(results, valid.examine(results, BENCHMARKS, {BASE})) as shown:
        assert valid.origin(shown) == results and valid.origin(results) == results
        return list(Benchmarks.load(SimpleNamespace(results_dir=str(shown), benchmark_dir="benchmarks")))


def test_what_has_no_results_is_left_out_while_it_publishes(conf):
    measure(conf, TIME)
    assert listed(conf) == [TIME]
    assert list(Benchmarks.load(conf)) == sorted(BENCHMARKS)


def test_a_case_is_drawn_where_nearly_all_commits_have_it(conf):
    results = Path(conf.results_dir)
    some, all_of_them = [1.0, math.nan, None, 4.0], [1.0, 2.0, 3.0, 4.0]
    measure(conf, TIME, all_of_them, BASE)
    measure(conf, PEAK, all_of_them, BASE)
    measure(conf, TIME, some, HEAD)
    before = {path: path.read_bytes() for path in results.rglob("*.json")}
    examined = valid.examine(results, BENCHMARKS, {BASE, HEAD})
    with valid.drawn_alone(results, examined) as place:
        listed = valid.benchmarks_of(place)
        # The first combination and the last one: both values of both parameters are left.
        assert {name: one["params"] for name, one in listed.items()} == {TIME: [["'table'", "'csr'"], ["64", "128"]]}
        drawn = [one.get_result_value(TIME, listed[TIME]["params"]) for one in iter_results(str(place))]
        assert [[math.isnan(value) for value in each] for each in drawn] == 2 * [[False, True, True, False]]
        every = {one.commit_hash: one for one in valid.every_result(place)}
        assert every[BASE].get_result_value(TIME, BENCHMARKS[TIME]["params"]) == all_of_them
        [about] = json.loads((place / valid.DRAWN).read_text())
        assert (about["cases"], about["left_out"], set(about["commits"])) == (2, 6, {BASE, HEAD})
    assert {path: path.read_bytes() for path in results.rglob("*.json")} == before


@given(st.lists(st.sets(st.integers(0, 5)), max_size=40))
def test_what_commits_share_is_what_most_of_them_have(commits):
    cases = shared.Line("m", {str(at): {("b", (str(case),)) for case in have} for at, have in enumerate(commits)}).cases
    for case in range(6):
        lacking = sum(case not in have for have in commits)
        assert (("b", (str(case),)) in cases) == (lacking < len(commits) and lacking <= len(commits) // 10)


def test_without_any_results_the_list_is_whole(conf):
    assert listed(conf) == sorted(BENCHMARKS)
