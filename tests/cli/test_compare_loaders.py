"""``alb compare-loaders`` as it is typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import ALB, TESTS, alb, environment, is_alive, until
from figures import marks
from tiny import Tiny

from alb_core.base.paths import DATA_VARIABLE
from alb_core.cli.main import main
from alb_core.peers import child, ours
from alb_core.peers.child import Task
from alb_core.peers.compare import loaders, run_loader, saved, table

#: A loader that makes up its cells, so that none is of the dataset.
STRANGE = "peers.compare.strange_loader"

FEW = "alb: an epoch has 6 blocks, fewer than 8: rates after the first batch leave out much reading"

SMALL = ("--chunk-size", "16", "--block-size", "128", "--batch-size", "64", "--rounds", "1")


@pytest.fixture
def compare(root: Path, tried: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., Any]:
    """Run the command in this process; returns its status, lines on stdout and on stderr."""
    monkeypatch.setenv(DATA_VARIABLE, str(root))

    def compare(*words: str | Path) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["compare-loaders", *map(str, words)])
        out, err = capsys.readouterr()
        return ended.value.code, out.splitlines(), err.splitlines()

    return compare


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Let loaders run in this process, for what is not about processes; returns what they are asked for."""
    asked: list[Task] = []

    def run(python: Path, task: Task, **_: Any) -> dict[str, Any]:
        asked.append(task)
        try:
            answer = json.loads(json.dumps(child._done(task, lambda **_: None)))
        except ImportError as error:
            raise run_loader.LoaderFailedError(str(error)) from error
        return {**answer, "peak": 2**30}

    # A process of tests holds much already.
    for setting in ("best", "tight"):
        monkeypatch.setitem(ours.OPTIONS[setting], "max_memory", 2**32)
    monkeypatch.setattr(run_loader, "run", run)
    monkeypatch.setattr(loaders, "python_of", lambda name: Path(sys.executable))
    return asked


def test_a_table_a_document_and_a_figure_of_loaders_in_processes(root: Path, tried: Tiny, tmp_path: Path) -> None:
    places = ("--json", tmp_path / "all.json", "--figure", tmp_path / "all.svg")
    done = alb("compare-loaders", "tried", "--peers", "ours", "--settings", "default", *SMALL, *places, data=root)
    assert (done.returncode, done.stderr.splitlines()) == (0, [FEW])
    head, raw, own = done.stdout.splitlines()
    assert head.startswith("loader        setting         version  cells/s")
    assert raw.startswith("raw tables()  default (best)  ") and raw.endswith("  1.00")
    assert own.startswith("alb_core      default         ")
    content = json.loads((tmp_path / "all.json").read_text())
    assert (content["dataset"], content["n_rows"], content["rounds"]) == ("tried", 700, 1)
    assert [one["state"] for one in content["loaders"]] == ["measured", "measured"]
    [run] = content["loaders"][1]["runs"]
    assert run["n_rows"] == 700 and run["rate"] == pytest.approx(700 / run["elapsed"])
    assert 100 * 2**20 < run["peak"] < 4 * 2**30
    assert len(marks((tmp_path / "all.svg").read_text())) == 2


@pytest.mark.usefixtures("at_once")
def test_wrong_rows_are_named_and_the_status(compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TESTS)
    status, out, err = compare("tried", "--peers", STRANGE, "--settings", "default", *SMALL)
    assert status == 1
    wrong = r"\d+ of 700 rows lost, such as joinid \d+; \d+ rows came that are none of the dataset's;.*"
    assert re.fullmatch(rf"strange  default  wrong: {wrong} \(by the manifest\)", out[-1])
    assert re.fullmatch(rf"alb: strange \(default\): wrong rows: {wrong} \(by the manifest\)", err[-1])


@pytest.mark.usefixtures("at_once")
def test_each_setting_and_the_document_on_stdout(compare: Any) -> None:
    status, out, err = compare("tried", "--peers", "ours,no.such_loader", "--json", "-", *SMALL)
    assert (status, err) == (0, [FEW])
    content = json.loads("\n".join(out))
    found = {(one["loader"], one["setting"]): one["state"] for one in content["loaders"]}
    assert found[("alb_core", "default")] == found[("alb_core", "best")] == "measured"
    assert {setting for loader, setting in found if loader == "raw tables()"} == {
        "default",
        *("16 MiB", "64 MiB", "256 MiB", "1024 MiB"),
    }
    assert found[("such_loader", "default")] == "n/a"


def test_what_loaders_are_asked_for(compare: Any, at_once: list[Task]) -> None:
    words = ("--chunk-size", "8", "--block-size", "64", "--batch-size", "32", "--no-shuffle", "--seed", "5")
    status, _, _ = compare("tried", "--peers", "ours", "--consumer-ms", "1.5", "--rounds", "2", *words)
    assert status == 0
    timed = [task for task in at_once if task.expected and not task.check]
    for task in timed:
        wanted = task.wanted
        assert (wanted.chunk_size, wanted.block_size, wanted.batch_size) == (8, 64, 32)
        assert (wanted.shuffle, wanted.seed, task.consumer_ms) == (False, 5, 1.5)
    proofs = [task for task in at_once if task.check]
    assert {task.consumer_ms for task in proofs} == {0}
    assert len(timed) == 2 * len(proofs) == 2 * 7
    assert sorted({task.wanted.epoch for task in timed}) == [0, 1]


@pytest.mark.usefixtures("at_once")
def test_what_is_kept_lies_beside_the_results_of_the_machine(
    compare: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("alb_core.cli.machines.results_root", lambda: tmp_path / "results")
    words = ("tried", "--peers", "ours", "--settings", "default", *SMALL)
    status, out, err = compare(*words, "--keep", "--machine", "m")
    path = tmp_path / "results" / "m" / "loaders.json"
    assert (status, err[-1]) == (0, f"alb: kept in {path}")
    [found] = saved.load(tmp_path / "results", "m")
    assert (found.dataset, found.n_rows, table.lines(found.outcomes)) == ("tried", 700, out)

    path.write_text("{")
    status, _, err = compare(*words, "--keep", "--machine", "m")
    assert status == 2 and err[-1].startswith(f"alb: {path} is no file of comparisons"), "before minutes are spent"
    assert path.read_text() == "{"
    status, _, err = compare(*words, "--machine", "m")
    assert (status, err) == (2, ["alb: --machine m is for --keep: give both, or neither"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nowhere",), "no dataset nowhere in .*"),
        (("s3://bucket/x",), "s3://bucket/x is a URI, expected the name or the path of a dataset on this machine"),
        (("tried", "--peers", "theirs"), "loader 'theirs' is unknown, expected some of raw_tables, ours, .*"),
        (("tried", "--peers", " ,"), "--peers ' ,' names no loader, expected some of .*"),
        (("tried", "--settings", "default,worst"), "--settings .*'worst' is unknown, expected some of default, best"),
        (("tried", "--chunk-size", "7"), "--block-size 32768 is no multiple of --chunk-size 7"),
        (("tried", "--rounds", "0"), ".*--rounds.*0.*"),
        (("tried", "--json", "."), r"--json \. is a directory, expected a file"),
        (("tried", "--json", "no/such/x.json"), "--json no/such/x.json: there is no directory .*/no/such"),
        (("tried", "--figure", "x.gif"), "a figure x.gif cannot be drawn, expected a name that ends in .png, .*"),
    ],
)
def test_bad_input_is_one_line(compare: Any, words: tuple[str, ...], reason: str) -> None:
    status, out, err = compare(*words)
    assert (status, out, len(err)) == (2, [], 1)
    assert re.fullmatch(f"alb: {reason}", err[0])


def test_ctrl_c_ends_it_and_all_that_it_started(root: Path, tried: Tiny, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    variables = {"STRANGE_FAULT": "hangs", "STRANGE_PIDS": str(told), "PYTHONPATH": str(TESTS)}
    command = [*ALB, "compare-loaders", "tried", "--peers", STRANGE, "--settings", "default", *SMALL]
    said = tmp_path / "said"
    with (
        said.open("w") as file,
        subprocess.Popen(command, env=environment(root, **variables), stdout=file, stderr=file) as process,
    ):
        assert until(told.exists, seconds=120)
        pids = [int(word) for word in told.read_text().split()]
        assert len(pids) == 2 and all(map(is_alive, pids))
        os.kill(process.pid, signal.SIGINT)
        status = process.wait(timeout=60)
    assert (status, said.read_text().splitlines()[-1]) == (130, "alb: interrupted")
    assert until(lambda: not any(map(is_alive, pids)))
