"""The published list has what was measured, and asv's own list is what it was."""

from types import SimpleNamespace

import pytest
from asv.benchmarks import Benchmarks
from asv.runner import BenchmarkResult
from asv.util import write_json
from recorded import BASE, BENCHMARKS, COUNT, MACHINE, PEAK, TIME, blank

from alb_core.rounds.results.valid import only_measured


@pytest.fixture
def conf(tmp_path):
    (tmp_path / MACHINE).mkdir()
    write_json(str(tmp_path / MACHINE / "machine.json"), {"machine": MACHINE}, 1)
    write_json(str(tmp_path / "benchmarks.json"), dict(BENCHMARKS), Benchmarks.api_version)
    return SimpleNamespace(results_dir=str(tmp_path), benchmark_dir="benchmarks")


def measure(conf, name):
    found = blank(BASE)
    made = BenchmarkResult([1.0] * 4, [None] * 4, [None] * 4, 0, "", None)
    found.add_result(BENCHMARKS[name], made, record_samples=True)
    found.save(conf.results_dir)


def test_what_has_no_results_is_left_out_while_it_publishes(conf):
    measure(conf, TIME)
    with only_measured():
        assert set(Benchmarks.load(conf)) == {TIME}
    assert set(Benchmarks.load(conf)) == {TIME, PEAK, COUNT}


def test_without_any_results_the_list_is_whole(conf):
    with only_measured():
        assert set(Benchmarks.load(conf)) == {TIME, PEAK, COUNT}


def test_an_error_leaves_asv_as_it_was(conf):
    original = Benchmarks.load
    with pytest.raises(RuntimeError), only_measured():
        raise RuntimeError
    assert Benchmarks.load == original
