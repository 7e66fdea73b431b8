"""asv publishes the benchmarks that were measured, and its own list stays what it was."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from asv.benchmarks import Benchmarks
from asv.runner import BenchmarkResult
from asv.util import write_json
from recorded import BASE, BENCHMARKS, MACHINE, TIME, blank

from alb_core.rounds.results import valid


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


def listed(conf):
    """What asv has in its list while it publishes."""
    results = Path(conf.results_dir)
    with valid.valid_alone(results, valid.examine(results, BENCHMARKS, {BASE})) as shown:
        assert valid.origin(shown) == results and valid.origin(results) == results
        return list(Benchmarks.load(SimpleNamespace(results_dir=str(shown), benchmark_dir="benchmarks")))


def test_what_has_no_results_is_left_out_while_it_publishes(conf):
    measure(conf, TIME)
    assert listed(conf) == [TIME]
    assert list(Benchmarks.load(conf)) == sorted(BENCHMARKS)


def test_without_any_results_the_list_is_whole(conf):
    assert listed(conf) == sorted(BENCHMARKS)
