"""A case runs on a commit by asv's runner, from processes that were started with the group."""

import contextlib
from types import SimpleNamespace

import pytest
from asv.config import Config
from recorded import BENCHMARKS, CASES, PEAKS

from alb_core.cases import epoch_seconds
from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds import bench as bench_module
from alb_core.rounds.bench import Bench
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.installed_commits import RELEASE, InstalledCommit

COMMITS = {name: InstalledCommit(name, "main", "a" * 40, None) for name in ("BASE", "5%", "10%")}
COMMITS["2.3.0"] = InstalledCommit(RELEASE, "2.3.0", "b" * 40, None)


@pytest.fixture
def asv(monkeypatch):
    """What asv's runner says, what it was asked, and which commits were started together."""
    said = SimpleNamespace(result=1.0, samples=None, errcode=0, stderr="", asked=[], started=[])

    def run_benchmark(benchmark, spawner, profile, selected_idx, extra_params):
        said.asked.append((benchmark["timeout"], spawner, selected_idx, extra_params))
        return SimpleNamespace(
            result=[said.result] * 4, samples=[said.samples] * 4, errcode=said.errcode, stderr=said.stderr
        )

    @contextlib.contextmanager
    def spawners(commits, conf):
        said.started.append([commit.label for commit in commits])
        yield [f"spawner of {commit.label}" for commit in commits]

    monkeypatch.setattr(bench_module, "run_benchmark", run_benchmark)
    monkeypatch.setattr(bench_module, "spawners", spawners)
    return said


@pytest.mark.parametrize(
    ("result", "samples", "errcode", "case", "expected"),
    [
        (True, [1.0, 2.0], 0, CASES[0], ProcessResult((1.0, 2.0))),
        (5e8, None, 0, PEAKS[0], ProcessResult((5e8,))),
        (float("nan"), None, 0, PEAKS[0], ProcessResult(absent=True)),
        (None, None, 1, CASES[0], ProcessResult(said="ValueError: no")),
    ],
)
def test_what_a_process_gives(asv, capsys, result, samples, errcode, case, expected):
    asv.result, asv.samples, asv.errcode, asv.stderr = result, samples, errcode, expected.said
    bench = Bench(Config(), COMMITS, BENCHMARKS)
    for name, place in (("BASE", "on BASE"), ("2.3.0", "at release 2.3.0")):
        with bench.started([name]):
            assert bench.run(name, case) == expected
        words = f"alb: {case.name} failed {place}:\nValueError: no\n" if errcode else ""
        assert capsys.readouterr().err == words


def test_epochs_that_a_process_says_stand_beside_its_samples(asv, monkeypatch, capsys):
    monkeypatch.setenv(epoch_seconds.VARIABLE, "1")
    said = [EpochSeconds(0.1, 0.25), EpochSeconds(1 / 3, 1e-9)]
    epoch_seconds.say(said)
    asv.samples, asv.stderr = [1.0], f"For parameters: 64\n{capsys.readouterr().err}"
    bench = Bench(Config(), COMMITS, BENCHMARKS)
    with bench.started(["BASE"]):
        assert bench.run("BASE", CASES[0]) == ProcessResult((1.0,), tuple(said))
        asv.errcode = 1
        assert bench.run("BASE", CASES[0]) == ProcessResult(said="For parameters: 64\n")


def test_commits_are_started_two_at_a_time_and_stay_for_the_group(asv):
    bench = Bench(Config(), COMMITS, BENCHMARKS, {"repeat": 2})
    with bench.started(["BASE", "5%", "10%"]):
        for name in ("10%", "BASE"):
            bench.run(name, CASES[2])
    assert asv.started == [["BASE", "5%"], ["10%"]]
    assert asv.asked == [(60.0, f"spawner of {name}", [2], {"repeat": 2}) for name in ("10%", "BASE")]
