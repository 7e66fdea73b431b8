"""The work of releases: counted once, in parts that merge by copying, and its steps."""

import json
import shutil
from itertools import pairwise
from types import SimpleNamespace

import pytest
from recorded import BENCHMARKS, CASES, MACHINE, benchmark, blank

from alb_core.cases.counter import Counter
from alb_core.cases.instructions import Outcome
from alb_core.cases.work import Work
from alb_core.rounds import work
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.work import WorkStore, recorded_counter
from alb_core.verdicts import campaign_work
from alb_core.verdicts.work_steps import work_steps

NAME = "instructions.Read.track_instructions"
ENTRY = {**benchmark(NAME, "track", "instructions")}
ENTRY["params"] = [*ENTRY["params"], ["'valgrind'"]]
COUNTED = {BenchmarkCase(NAME, at, (*CASES[at].parameters, "'valgrind'"), Kind.COUNT): CASES[at] for at in (0, 2)}
VALGRIND = Counter("valgrind", "valgrind 3.19.0")
RELEASES = [
    SimpleNamespace(name=f"1.{n}", commit=f"{n}" * 40, place=f"at release 1.{n}", packages={}) for n in range(7)
]
TABLE, CSR = COUNTED


@pytest.fixture
def counts(monkeypatch):
    """What the processes that count would give: a step of 10 % at 1.3 for one case; n/a before 1.2 for the other."""
    made = []

    class Job:
        seconds = 1.0

        def __init__(self, commit, cases, stack):
            made.append(commit.name)
            self.commit, self.cases, self.process = commit, cases, SimpleNamespace(running=False, counted=0)

        def end(self):
            place = RELEASES.index(self.commit)
            if place == Job.interrupt_at:
                raise KeyboardInterrupt
            size = 1_100_000 if place >= 3 else 1_000_000
            found = {TABLE: Outcome(Work(size + place, {"lib f": size - 500_000, "lib g": 400_000}))}
            found[CSR] = Outcome(absent="n/a") if place < 2 else Outcome(Work(5_000_000))
            if place == Job.failing:
                found[CSR] = Outcome(failed="Traceback\nValueError: no")
            return {case: found[case] for case in self.cases}

    Job.interrupt_at = Job.failing = None
    Job.made = made
    monkeypatch.setattr(work, "_Job", Job)
    return Job


def opened(root):
    (root / MACHINE).mkdir(parents=True, exist_ok=True)
    (root / MACHINE / "bench.json").write_text(json.dumps({"bench": MACHINE, "version": 1}))
    return WorkStore(root, MACHINE, blank, {**BENCHMARKS, NAME: ENTRY}, VALGRIND)


def test_shards_that_are_copied_together_are_what_one_machine_counts(tmp_path, counts):
    whole = campaign_work.count(RELEASES, COUNTED, opened(tmp_path / "whole"), 1e6)
    assert whole.left == [] and len(whole.counted) == 7 and not whole.failures
    for part in range(3):
        one = campaign_work.count(RELEASES[part::3], COUNTED, opened(tmp_path / str(part)), 1e6)
        assert [*one.known] == [release.name for release in RELEASES[part::3]]
        shutil.copytree(tmp_path / str(part), tmp_path / "merged", dirs_exist_ok=True)
    assert len(counts.made) == 14
    merged = campaign_work.recorded(RELEASES, COUNTED, opened(tmp_path / "merged"))
    assert merged.known == whole.known and merged.left == []
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole" / MACHINE / "work").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "merged" / MACHINE / "work").iterdir()} == files
    values = [
        [json.loads(path.read_text())["results"][NAME][0] for path in sorted((tmp_path / root / MACHINE).glob("*-*"))]
        for root in ("whole", "merged")
    ]
    assert values[0] == values[1] and len(values[0]) == 7
    # And nothing of it is counted again.
    assert campaign_work.count(RELEASES, COUNTED, opened(tmp_path / "merged"), 1e6).counted == []
    assert len(counts.made) == 14


def test_ended_at_any_moment_it_goes_on(tmp_path, counts):
    counts.interrupt_at = 4
    found = campaign_work.count(RELEASES, COUNTED, opened(tmp_path), 1e6)
    assert found.interrupted and found.left == ["1.4", "1.5", "1.6"]
    counts.interrupt_at, counts.made[:] = None, []
    assert campaign_work.count(RELEASES, COUNTED, opened(tmp_path), -1).left == ["1.4", "1.5", "1.6"]
    found = campaign_work.count(RELEASES, COUNTED, opened(tmp_path), 1e6)
    assert found.left == [] and counts.made == found.counted == ["1.4", "1.5", "1.6"]


def test_what_fails_is_said_and_tried_again(tmp_path, counts):
    counts.failing = 5
    found = campaign_work.count(RELEASES, COUNTED, opened(tmp_path), 1e6)
    assert found.failures == [("1.5", CSR, "ValueError: no")] and found.left == ["1.5"]
    lines = list(campaign_work.lines(found))
    assert "n/a        read.Read.epoch('csr', 64) at 2 releases" in lines
    assert "failed     read.Read.epoch('csr', 64) at 1.5: ValueError: no" in lines
    assert lines[-1] == "left       1 releases to count: 1.5"


def test_steps_are_named_at_their_releases(tmp_path, counts):
    found = campaign_work.count(RELEASES, COUNTED, opened(tmp_path), 1e6)
    [step] = work_steps(campaign_work.works_by_row(found))
    assert (step.version, step.before, step.row) == ("1.3", "1.2", CASES[0].row)
    assert step.functions == ["lib f: 500.0 k -> 600.0 k (+10.0 %)"]
    assert work_steps(campaign_work.works_by_row(found), 0.2) == []
    # Every pair of neighbours is one, where the threshold lets all pass.
    neighbours = [(step.before, step.version) for step in work_steps(campaign_work.works_by_row(found), 0)]
    assert neighbours[:6] == list(pairwise(release.name for release in RELEASES))


def test_what_counted_is_known_where_nothing_counts(tmp_path, counts):
    assert recorded_counter(tmp_path, MACHINE) is None
    campaign_work.count(RELEASES[:1], COUNTED, opened(tmp_path), 1e6)
    assert recorded_counter(tmp_path, MACHINE) == VALGRIND
