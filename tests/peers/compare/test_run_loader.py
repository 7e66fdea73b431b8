"""A loader in a process of its own: what it answers, what its tree holds, how it fails, and that nothing stays."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from command import is_alive, until
from strange_loader import N_ROWS, N_VARS

from alb_core.peers.child import Task
from alb_core.peers.compare import run_loader
from alb_core.peers.compare.run import ComparedDataset
from alb_core.peers.interface import Wanted

PYTHON = Path(sys.executable)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")


def task(source: ComparedDataset | None, setting: str = "default", **changed: object) -> Task:
    wanted = Wanted("", {}, N_ROWS, N_VARS, batch_size=64)
    facts = None if source is None else str(source.facts.directory)
    return Task("strange_loader", wanted, setting, expected=facts, **changed)  # type: ignore[arg-type]


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """What says nothing at all."""
    script = tmp_path / "sleeper"
    script.write_text("#!/bin/sh\nsleep 3600 &\necho $$ $! > $0.pids\nwait\n")
    script.chmod(0o755)
    return script


@pytest.mark.usefixtures("importable")
@LINUX
def test_what_it_answers_and_what_its_whole_tree_holds(made_up: ComparedDataset) -> None:
    told: list[int] = []
    given = task(made_up, "helped", check=True, consumer_ms=30.0)
    answer = run_loader.run(PYTHON, given, timeout_seconds=60, progress=told.append)
    assert (answer["name"], answer["version"], answer["unsupported"]) == ("strange", None, None)
    assert (answer["n_rows"], answer["n_batches"], answer["faults"]) == (N_ROWS, 5, [])
    assert made_up.reference is not None
    assert asdict(made_up.reference.totals).items() <= answer.items()
    assert answer["sizes"] == {"44": 1, "64": 4}
    assert told and set(told) < {64, 128, 192, 256, 300}
    # It waited for its helper before the first batch, and took 30 ms for each.
    assert answer["first_batch"] > 1.9 and answer["waiting"] >= answer["first_batch"]
    assert answer["elapsed"] - answer["waiting"] > 0.15
    assert answer["after_first"] == pytest.approx(answer["elapsed"] - answer["first_batch"], abs=0.25)
    assert answer["rows_after_first"] == 236
    # The helper's memory counts, and it was no part of the loader's own process.
    assert answer["peak"] > answer["peak_rss"] * 0.5 + 200_000_000


@pytest.mark.usefixtures("importable")
@LINUX
def test_how_it_died_is_told_and_a_helper_dies_with_it(made_up: ComparedDataset, tmp_path: Path) -> None:
    with pytest.raises(
        run_loader.LoaderFailedError, match=r"^died with signal 11 \(SIGSEGV\): about to die$"
    ) as caught:
        run_loader.run(PYTHON, task(made_up, "dies"), timeout_seconds=60)
    assert caught.value.exit_status == 1


@LINUX
def test_one_that_says_nothing_is_given_up_and_all_of_it_ended(sleeper: Path) -> None:
    began = time.monotonic()
    with pytest.raises(run_loader.LoaderFailedError, match=r"^hangs: nothing came for 0\.5 s$"):
        run_loader.run(sleeper, task(None), timeout_seconds=0.5)
    assert time.monotonic() - began < 60  # of the hour that it sleeps
    pids = [int(word) for word in Path(f"{sleeper}.pids").read_text().split()]
    assert len(pids) == 2
    assert until(lambda: not any(map(is_alive, pids)))


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(run_loader.LoaderFailedError, match=r"^cannot start .*/nowhere: no such program$"):
        run_loader.run(tmp_path / "nowhere", task(None), timeout_seconds=1)


@pytest.mark.usefixtures("importable")
@LINUX
def test_a_killed_command_leaves_no_process_behind(
    made_up: ComparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "pids"
    monkeypatch.setenv("STRANGE_PIDS", str(told))
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from alb_core.peers.compare import run_loader
        from alb_core.peers.child import Task
        run_loader.run(Path(sys.executable), Task.of_line(sys.stdin.readline()), timeout_seconds=60)
        """
    )
    line = task(made_up, "hangs").as_line()
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True) as asking:
        assert asking.stdin is not None
        asking.stdin.write(line)
        asking.stdin.flush()
        assert until(lambda: told.exists() and told.read_text(), seconds=60)
        pids = [int(word) for word in told.read_text().split()]
        assert len(pids) == 2 and all(map(is_alive, pids))
        asking.kill()
    assert until(lambda: not any(map(is_alive, pids)))


def test_a_task_comes_back_as_it_was_sent() -> None:
    given = Task("a.b", Wanted("/x", {"h5ad": "/y"}, 5, 6, options={"config": {"a": "b"}}), "best", rows=3, check=True)
    assert Task.of_line(given.as_line()) == given
