"""Work of commits, kept in files of its own and in asv's."""

import math
from types import SimpleNamespace

import pytest
from asv.results import Results
from recorded import BASE, HEAD, MACHINE, benchmark, blank, empty_results

from alb_core.cases.counter import Counter
from alb_core.cases.instructions import Outcome
from alb_core.cases.work import Work
from alb_core.commits.builds import local_tiledb
from alb_core.rounds import work as work_module
from alb_core.rounds.installed_commits import InstalledCommit
from alb_core.rounds.work import WorkStore, recorded_counter, work_cases

NAME = "instructions.Read.track_instructions"
COUNTER = Counter("valgrind", "valgrind 3.19.0")


def benchmarks(version="1"):
    counted = benchmark(NAME, "track", "instructions", version)
    counted["params"] = [["'table'", "'csr'"], ["64"], ["'valgrind'", "'processor'"]]
    return {"read.Read.time_epoch": benchmark("read.Read.time_epoch", "time", "seconds"), NAME: counted}


TABLE, CSR = work_cases(benchmarks(), "valgrind").values()


@pytest.fixture
def results(tmp_path):
    return empty_results(tmp_path)


def store(results, version="1", counter=COUNTER):
    return WorkStore(results, MACHINE, blank, benchmarks(version), counter)


def work(instructions):
    return Outcome(Work(instructions, {"libtiledb f": instructions}, {"a.py:f": 7}))


def test_each_counted_case_stands_beside_the_row_that_it_counts():
    by_row = work_cases(benchmarks(), "valgrind")
    assert list(by_row) == ["read.Read.epoch('table', 64)", "read.Read.epoch('csr', 64)"]
    assert [case.index for case in by_row.values()] == [0, 2]
    assert [case.index for case in work_cases(benchmarks(), "processor").values()] == [1, 3]


def test_what_is_kept_is_there_again_and_in_asvs_results(results):
    store(results).keep(BASE, {TABLE: work(1000), CSR: Outcome(absent="too old")}, 2.0)
    store(results).keep(BASE, {TABLE: work(990)}, 2.0)
    found = store(results).of(BASE)
    assert [each.instructions for each in found.works[TABLE]] == [1000, 990]
    assert found.works[TABLE][0] == work(1000).work and found.absent == {CSR}
    assert store(results).of(HEAD).works == {}
    [path] = results.glob(f"{MACHINE}/{BASE[:8]}*.json")
    values = Results.load(str(path), MACHINE).get_result_value(NAME, benchmarks()[NAME]["params"])
    assert values[0] == 990 and math.isnan(values[2])


def test_work_of_a_build_that_is_no_commit_stays_apart(results, data):
    digest = "d" * 64
    store(results).keep(digest, {TABLE: work(1000)}, 2.0)
    assert [each.instructions for each in store(results).of(digest).works[TABLE]] == [1000]
    assert not list(results.rglob(f"{digest[:8]}*")) and len(list(data.rglob(f"{digest[:8]}*"))) == 2


def test_what_failed_is_counted_again(results):
    store(results).keep(BASE, {TABLE: Outcome(failed="killed"), CSR: work(5)}, 2.0)
    assert TABLE not in store(results).of(BASE).works and CSR in store(results).of(BASE).works


@pytest.mark.parametrize("other", [{"version": "2"}, {"counter": Counter("valgrind", "valgrind 3.22.0")}])
def test_counts_of_another_version_or_counter_are_never_mixed_in(results, other):
    store(results).keep(BASE, {TABLE: work(1000)}, 2.0)
    assert store(results, **other).of(BASE).works == {}


@pytest.mark.parametrize(("tiledb", "counts"), [("", True), (local_tiledb.DOWNLOADED, True), ("2.30.0+0123", False)])
def test_counts_of_a_build_with_another_tiledb_do_not_count(results, monkeypatch, tiledb, counts):
    monkeypatch.delenv("TILEDB_PATH", raising=False)
    store(results).keep(BASE, {TABLE: work(1000)}, 2.0, tiledb)
    assert bool(store(results).of(BASE).works) is counts


def test_a_newer_counter_leaves_what_an_older_one_counted(results):
    store(results).keep(BASE, {TABLE: work(1000)}, 2.0)
    newer = store(results, counter=Counter("valgrind", "valgrind 3.22.0"))
    newer.keep(BASE, {TABLE: work(900)}, 2.0)
    for kept, count in ((store(results), 1000), (newer, 900)):
        assert [each.instructions for each in kept.of(BASE).works[TABLE]] == [count]
    newer.keep(HEAD, {TABLE: work(900)}, 2.0)
    assert recorded_counter(results, MACHINE).name == "valgrind 3.22.0"


def test_a_commit_that_counts_for_too_long_is_given_up_and_no_other(monkeypatch):
    ended = []

    class Job:
        seconds = 9.0

        def __init__(self, commit, cases, stack):
            self.commit, self.cases = commit, cases
            self.process = SimpleNamespace(running=commit.name == "long", counted=0)

        def end(self):
            return dict.fromkeys(self.cases, Outcome(Work(1)))

        def give_up(self, why):
            ended.append(self.commit.name)
            return dict.fromkeys(self.cases, Outcome(failed=why))

    monkeypatch.setattr(work_module, "_Job", Job)
    monkeypatch.setattr(work_module, "TIMEOUT", 5)
    commits = [InstalledCommit("BASE", name, BASE, None) for name in ("long", "short")]
    jobs = [(commit, [TABLE]) for commit in commits]
    found = {place: outcomes for place, outcomes, _ in work_module.side_by_side(jobs)}
    assert "more than 5 s" in found[0][TABLE].failed and found[1][TABLE].work is not None and ended == ["long"]


def test_looking_changes_nothing_and_writing_sets_a_damaged_file_aside(results, capsys):
    kept = store(results)
    kept.keep(BASE, {TABLE: work(1000)}, 2.0)
    path = kept.path(BASE)
    path.write_text(path.read_text()[:50])
    assert kept.of(BASE).works == {}
    assert len(list(path.parent.iterdir())) == 1
    kept.keep(BASE, {CSR: work(5)}, 2.0)
    assert len(list(path.parent.iterdir())) == 2 and "set aside" in capsys.readouterr().err


def test_files_of_machines_of_one_kind_merge_by_being_copied(results, tmp_path):
    store(results).keep(BASE, {TABLE: work(1)}, 2.0)
    other = tmp_path / "other"
    store(other).keep(HEAD, {TABLE: work(2)}, 2.0)
    for path in other.rglob("*.json"):
        target = results / path.relative_to(other)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert [len(store(results).of(commit).works) for commit in (BASE, HEAD)] == [1, 1]


def test_a_file_whose_cases_no_counter_here_has_names_is_passed_over(results):
    kept = store(results)
    kept.keep(BASE, {TABLE: work(1)}, 2.0)
    path = kept.path(BASE)
    path.write_text(path.read_text().replace("'valgrind')", "another)"))
    assert recorded_counter(results, MACHINE) is None
    kept.keep(HEAD, {TABLE: work(1)}, 2.0)
    assert recorded_counter(results, MACHINE) == COUNTER
