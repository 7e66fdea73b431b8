"""Results of an earlier version count where the benchmark's code says that they are the same, and nowhere else."""

import json
import math
from datetime import UTC, datetime

import pytest
from asv.results import Results
from asv.runner import BenchmarkResult
from recorded import BASE, CASES, MACHINE, TIME, benchmark, blank, store

from alb_core.rounds import asv_patches
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Pair
from alb_core.rounds.results import carried_versions

NOW = datetime(2026, 11, 27, tzinfo=UTC)
VALUES = [1.0, 2.0, 3.0, 4.0]
#: As `recorded` has it, one version later, and with one value more of its first parameter.
NOW_TIMED = {**benchmark(TIME, "time", "seconds", "2"), "params": [["'table'", "'csr'", "'new'"], ["64", "128"]]}


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Let the class of the tests say what of its first version is the same."""
    (tmp_path / "benchmarks").mkdir()
    monkeypatch.setattr(carried_versions, "suite_root", lambda: tmp_path)

    def write(same_as):
        (tmp_path / "benchmarks" / "read.py").write_text(
            f"import nowhere\n\n\nclass Read:\n    version = '2'\n    param_names = ('method', 'chunk_size')\n"
            f"    params = (['table', 'csr', 'new'], [64, 128])\n{same_as}\n"
        )
        carried_versions.declared.cache_clear()

    yield write
    carried_versions.declared.cache_clear()


def first_version(values=VALUES, name=TIME):
    found = blank(BASE)
    made = BenchmarkResult([True] * 4, [[value] * 8 for value in values], [1] * 4, 0, "", None)
    found.add_result({**benchmark(TIME, "time", "seconds"), "name": name}, made, record_samples=True)
    return found


def shown(results, of=NOW_TIMED):
    """What asv has of a benchmark, None where it passes over it; a dash is what was not measured (NaN), a value of a
    parameter that was not there yet is None, as asv has it.
    """
    if TIME not in results.get_result_keys({TIME: of}):
        return None
    return [
        "-" if value is not None and math.isnan(value) else value
        for value in results.get_result_value(TIME, of["params"])
    ]


@pytest.mark.parametrize(
    ("same_as", "values"),
    [
        ("", None),
        ("    same_as = {'0': {}}", None),
        ("    same_as = {'1': {}}", [1.0, 2.0, 3.0, 4.0, None, None]),
        ("    same_as = {'1': {'method': ['csr']}}", ["-", "-", 3.0, 4.0, None, None]),
        ("    same_as = {'1': {'method': ['csr'], 'chunk_size': [64]}}", ["-", "-", 3.0, "-", None, None]),
        ("    same_as = {'1': {'method': ['new']}}", None),
    ],
)
def test_what_is_the_same_is_read_as_of_the_present_version(says, tmp_path, same_as, values):
    says(same_as)
    old = first_version()
    old.save(str(tmp_path))
    before = (tmp_path / old._filename).read_bytes()
    assert shown(carried_versions.view(old, TIME)) == values
    # Reading changes neither these results nor their file.
    assert shown(old) is None and old.get_result_value(TIME, old.get_result_params(TIME)) == VALUES
    with asv_patches.carried_loaded():
        assert shown(Results.load(str(tmp_path / old._filename))) == values
    assert shown(Results.load(str(tmp_path / old._filename))) is None
    assert (tmp_path / old._filename).read_bytes() == before


@pytest.mark.parametrize(
    ("same_as", "values"),
    [
        ("    same_as = {'1': {'method': ['csr']}}", [9.0, "-", 3.0, 4.0, None, None]),
        ("", [9.0, "-", "-", "-", "-", "-"]),
    ],
)
def test_asv_keeps_what_is_the_same_when_it_measures_others(says, same_as, values):
    says(same_as)
    asv_patches.install()
    results = first_version()
    made = BenchmarkResult([True] + [math.nan] * 5, [[9.0] * 8] + [None] * 5, [1] + [None] * 5, 0, "", None)
    results.add_result(NOW_TIMED, made, selected_idx=[0], record_samples=True)
    assert shown(results) == values
    kept = results.get_result_samples(TIME, NOW_TIMED["params"])[2]
    assert kept == ([3.0] * 8 if same_as else None)


def test_rounds_of_a_verdict_count_on(says, tmp_path):
    says("    same_as = {'1': {'method': ['csr']}}")
    asv_patches.install()
    results = tmp_path / "results"
    (results / MACHINE).mkdir(parents=True)
    (results / MACHINE / "machine.json").write_text(json.dumps({"machine": MACHINE, "version": 1}))

    def pairs_of(entry):
        return store(results, benchmarks={TIME: entry})

    for case in (CASES[0], CASES[2]):
        pairs_of(benchmark(TIME, "time", "seconds")).add(case, Pair((1.0,), (2.0,)), NOW, 1.0)
    now = [
        BenchmarkCase(TIME, index, parameters, Kind.TIME)
        for index, parameters in ((0, ("'table'", "64")), (2, ("'csr'", "64")))
    ]
    assert [len(pairs_of(NOW_TIMED).pairs(case)) for case in now] == [0, 1]
    for case in now:
        pairs_of(NOW_TIMED).add(case, Pair((1.5,), (2.5,)), NOW, 1.0)
    assert [len(pairs_of(NOW_TIMED).pairs(case)) for case in now] == [1, 2]


def test_results_of_other_parameters_are_passed_over(says):
    says("    same_as = {'1': {}}")
    results = first_version()
    results._benchmark_params[TIME] = [["'table'", "'csr'", "'x'", "'y'"]]
    assert carried_versions.same(results, TIME) is None


def test_a_benchmark_that_failed_stays_failed(says):
    says("    same_as = {'1': {'method': ['csr']}}")
    results = first_version()
    results._results[TIME], results._samples[TIME], results._stats[TIME] = None, None, None
    values = carried_versions.view(results, TIME).get_result_value(TIME, NOW_TIMED["params"])
    assert values[2:4] == [None, None] and all(map(math.isnan, values[:2]))
