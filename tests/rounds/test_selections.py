"""Which cases are selected, by regular expressions and by name."""

import pytest
from asv.benchmarks import Benchmarks
from asv.config import Config
from recorded import BENCHMARKS, CASES, PEAK, TIME, benchmark

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.selections import CAMPAIGN, VERDICT, check, counted, selected


@pytest.fixture
def conf():
    conf = Config()
    conf.benchmark_dir = "benchmarks"
    return conf


def chosen(conf, *patterns):
    return selected(conf, Benchmarks(conf, BENCHMARKS.values()), patterns)


def test_a_pattern_matches_names_with_their_parameters_as_in_asv(conf):
    [case] = chosen(conf, r"time_epoch\('csr', 64\)")
    assert case == BenchmarkCase(TIME, 2, ("'csr'", "64"), Kind.TIME) and case.name == "read.Read.time_epoch('csr', 64)"
    assert [case.benchmark for case in chosen(conf, "'csr', 64")] == [PEAK, TIME, "read.Read.track_tiles"]
    assert len(chosen(conf, "peakmem", "track")) == 8


def test_time_and_memory_of_one_thing_share_a_row(conf):
    assert {case.row for case in chosen(conf, r"epoch\('csr', 64\)")} == {"read.Read.epoch('csr', 64)"}


def test_nothing_is_named_with_what_there_is(conf):
    with pytest.raises(AlbError, match=r"no benchmark matches 'x' or 'y'; there are read.Read.peakmem_epoch, read"):
        chosen(conf, "x", "y")


@pytest.fixture
def listed():
    """The suite's configuration and its committed list of benchmarks."""
    conf = Config.load(str(suite_root() / "asv.conf.json"))
    conf.results_dir = str(suite_root() / conf.results_dir)
    return conf, Benchmarks.load(conf)


def test_what_a_verdict_measures_is_in_the_grid(listed):
    cases = selected(*listed, VERDICT.patterns)
    for kind in (Kind.TIME, Kind.MEMORY):
        assert len([case for case in cases if case.kind is kind]) == 5
    assert {case.benchmark.partition(".")[0] for case in cases} == {"read_chunks", "data_loader"}


@pytest.mark.parametrize("pattern", [*VERDICT.patterns, *CAMPAIGN.patterns])
def test_each_pattern_selects_something(listed, pattern):
    check([pattern])
    assert selected(*listed, [pattern]), "`asv run --bench just-discover` lists anew"


def test_what_is_counted_is_found_by_its_own_name_and_by_that_of_what_it_counts(conf):
    name = "instructions.Read.track_instructions"
    counter = {**benchmark(name, "track", "instructions"), "setup_cache_key": "instructions"}
    counter["params"] = [*counter["params"], ["'valgrind'", "'processor'"]]
    benchmarks = Benchmarks(conf, [*BENCHMARKS.values(), counter])
    assert len(counted(conf, benchmarks, ["instructions"], "valgrind")) == 4
    [(case, timed)] = counted(conf, benchmarks, [r"time_epoch\('csr', 64\)"], "processor").items()
    assert (case.name, timed) == (f"{name}('csr', 64, 'processor')", CASES[2])
    # Who asks for memory does not ask for work.
    assert counted(conf, benchmarks, ["peakmem"], "valgrind") == {}
