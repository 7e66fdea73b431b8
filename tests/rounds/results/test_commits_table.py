import pytest
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.results import Results
from asv.runner import BenchmarkResult

from alb_core.base.errors import AlbError
from alb_core.rounds.results import commits_table
from alb_core.rounds.results.commits_table import BenchmarkValues

NAN = float("nan")
BENCHMARK = {
    "name": "read.Read.time_epoch",
    "params": [["'table'", "'csr'"], ["64"]],
    "param_names": ["method", "chunk_size"],
    "unit": "seconds",
    "type": "time",
    "version": "1",
    "code": "",
}


@pytest.fixture
def conf(tmp_path):
    """asv's results of two commits, written by asv."""
    conf = Config()
    conf.results_dir, conf.benchmark_dir = str(tmp_path / "results"), str(tmp_path / "benchmarks")
    Benchmarks(conf, [BENCHMARK]).save()
    machine = Machine()
    machine.machine = "m"
    machine.save(conf.results_dir)
    for commit, samples in (("a" * 40, [[2.0, 2.0], [4.0, 4.0]]), ("b" * 40, [[1.0, 1.0], None])):
        results = Results({"machine": "m"}, {}, commit, 0, "3.11", "env", {})
        values = [NAN if item is None else 1.0 for item in samples]
        number = [None if item is None else 1 for item in samples]
        results.add_result(BENCHMARK, BenchmarkResult(values, samples, number, 0, "", None))
        results.save(conf.results_dir)
    return conf


def test_rows_hold_a_value_for_each_commit_where_one_has_any(conf):
    assert commits_table.rows(conf, "m", ["a" * 40, "b" * 40]) == [
        BenchmarkValues("read.Read.time_epoch", ("table", "64"), "seconds", (2.0, 1.0)),
        BenchmarkValues("read.Read.time_epoch", ("csr", "64"), "seconds", (4.0, None)),
    ]
    assert [row.parameters for row in commits_table.rows(conf, "m", ["b" * 40])] == [("table", "64")]
    assert commits_table.rows(conf, "other", ["a" * 40]) == []
    # Results of another version are not compared.
    Benchmarks(conf, [{**BENCHMARK, "version": "2"}]).save()
    assert commits_table.rows(conf, "m", ["a" * 40, "b" * 40]) == []


def test_the_table_shows_ratios_and_what_is_missing(conf):
    text = commits_table.table(commits_table.rows(conf, "m", ["a" * 40, "b" * 40]), ["old", "new"])
    header, first, second = (line.split() for line in text.splitlines())
    assert header == ["benchmark", "parameters", "old", "new", "ratio"]
    assert first[-3:] == ["2.00s", "1.00s", "0.50"] and second[-2:] == ["4.00s", "n/a"]


def test_without_results_it_says_how_to_get_them(tmp_path):
    conf = Config()
    conf.results_dir = str(tmp_path)
    with pytest.raises(AlbError, match="measure with `asv run`"):
        commits_table.rows(conf, "m", [])
