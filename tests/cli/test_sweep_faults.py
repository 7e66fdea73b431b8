"""``alb data-loader`` interrupted, killed, out of memory, with wrong results, and with faults of S3."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ALB, SMALL, alb, contradict, dataset, environment, session, until
from s3 import Proxy, answers
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.sweeps import records

#: Twelve epochs of many batches.
TWELVE = ("-b", "4x16", "-m", "np,scipy.csr", "-e", "6", "-B", "4", "-g", "99")


def _started(root: Path, *words: str) -> subprocess.Popen[str]:
    """A sweep in a session of its own, as a terminal would have it."""
    command = [*ALB, "data-loader", "tried", *TWELVE, "-C", *SMALL, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(root), stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def _rows(path: Path) -> int:
    return records.load(path).num_rows if path.exists() else 0


def _wait_for(path: Path, rows: int, process: subprocess.Popen[str]) -> None:
    while _rows(path) < rows:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_a_sweep_that_is_interrupted_and_killed_goes_on(root: Path, tried: Tiny, load: Any, tmp_path: Path) -> None:
    path = tmp_path / "epochs.parquet"
    interrupted = _started(root, "-d", str(path))
    _wait_for(path, 2, interrupted)
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.wait(timeout=60)
    out, err = interrupted.communicate(timeout=20)
    assert (interrupted.returncode, err.strip()) == (130, "alb: interrupted")
    assert out.startswith("    block spec")
    assert until(lambda: not session(interrupted.pid)), "Ctrl-C left a process behind"

    before = _rows(path)
    killed = _started(root, "-d", str(path), "--resume")
    _wait_for(path, before + 2, killed)
    killed.kill()
    _, err = killed.communicate()
    assert f"{before} epochs are recorded, {12 - before} are left" in err
    assert until(lambda: not session(killed.pid)), "the kill left a process behind"

    before = _rows(path)
    assert 4 <= before < 12
    status, rows, lines, said = load(*TWELVE, "--resume")
    assert status == 0
    assert said[0].endswith(f"{before} epochs are recorded, {12 - before} are left")
    assert len(lines) == 1 + 12 - before
    assert [(row["chunk_method"], row["epoch"]) for row in rows] == [
        (method, epoch) for method in ("np.array", "scipy.csr") for epoch in range(6)
    ]
    assert len({row["alb_start_dt"] for row in rows}) == 1
    assert {row["nnz"] for row in rows} == {np.count_nonzero(tried.x)}

    status, again, lines, said = load(*TWELVE, "--resume")
    assert (status, lines) == (0, []), "nothing is left"
    assert again == rows
    status, more, *_ = load("-b", "4x16", "-m", "np", "-B", "100")
    assert len(more) == 13 and more[-1]["alb_start_dt"] > rows[0]["alb_start_dt"], "without --resume it is a new one"


def test_nothing_to_go_on_with(load: Any) -> None:
    status, rows, _, said = load("-b", "4x16", "-m", "np", "--resume")
    assert (status, len(rows), len(said)) == (0, 1, 1)
    status, rows, _, said = load("-b", "4x16", "-m", "np", "--resume", "--seed", "5")
    assert (status, len(rows)) == (0, 2)
    assert "has no sweep of tried with these settings and versions" in said[0]


def test_a_configuration_that_runs_out_of_memory_is_recorded_and_the_sweep_goes_on(
    root: Path, tmp_path: Path, load: Any
) -> None:
    n_obs, n_vars = 8_192, 120_000
    rows = np.arange(n_obs)
    wide = write_tables(tmp_path / "wide", joinids(n_obs), joinids(n_vars), coordinates(rows, rows % 7, rows % 5 + 1))
    words = (wide, "-b", "8192", "-m", "np,scipy.csr", "-B", "64", "-n", "2", "-e", "3", "-C", *SMALL)
    path = tmp_path / "epochs.parquet"
    # The dense block takes 3.7 GiB; the same rows take 100 kB as scipy.csr, and a batch 30 MiB.
    limit = (3_500_000 * 1024,) * 2
    done = alb(
        "data-loader", *words, "-d", path, data=root, preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, limit)
    )
    assert done.returncode == 0, done.stderr
    table = records.load(path).to_pylist()
    assert [(row["chunk_method"], row["epoch"], row["oom"]) for row in table] == [
        ("np.array", 0, True),
        ("scipy.csr", 0, False),
        ("scipy.csr", 1, False),
        ("scipy.csr", 2, False),
    ]
    assert (table[0]["elapsed"], table[0]["n_rows"], table[0]["max_mem"]) == (None, None, None)
    assert (table[0]["n_cols"], table[0]["total_rows"], table[0]["block_size"]) == (n_vars, n_obs, n_obs)
    assert done.stdout.splitlines()[1].split() == ["1x8192", "np.array", "0", "out", "of", "memory"]
    assert "alb: 1x8192 np.array, epoch 0: out of memory: Unable to allocate 3.66 GiB for an array" in done.stderr
    assert "Traceback" not in done.stderr
    assert records.samples_per_second(records.load(path)).null_count == 1

    status, after, lines, said = load(*words[1:], "--resume", uri=wide)
    assert (status, after, lines) == (0, table, []), "what has run out of memory is not tried again"
    assert "6 epochs are recorded, 0 are left" in said[0]


def test_a_limit_that_leaves_no_memory_for_a_thread_ends_it(root: Path, tried: Tiny) -> None:
    """Where the imports alone take all there is, a process must fail and not wait."""
    limit = (1_000_000 * 1024,) * 2
    done = alb(
        "data-loader",
        "tried",
        "-m",
        "np",
        "-C",
        "-D",
        data=root,
        preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert done.returncode in (0, 2)
    assert "out of memory" in done.stdout or done.stderr.count("\n") == 1, done.stderr


def test_a_wrong_result_is_no_record(load: Any, root: Path, tmp_path: Path) -> None:
    truth = dataset(root / "soma" / "wrong")
    right = int(np.count_nonzero(truth.x))
    contradict(root / "soma" / "wrong", nnz=right + 1)
    status, rows, lines, said = load("-b", "4x16", uri="wrong")
    assert (status, rows, lines) == (1, [], [])
    assert said == [f"alb: 4x16 np.array, epoch 0: wrong result: non-zeros {right:,}, expected {right + 1:,}"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", ["no bucket", "no key", "no rights", "no server"])
def test_faults_of_s3_are_one_line_and_soon(case: str, s3_proxy: Proxy, load: Any, tmp_path: Path) -> None:
    s3_proxy.behind.client().create_bucket(Bucket="loader-faults")
    options = {**s3_proxy.s3.tiledb, "vfs.s3.aws_access_key_id": "hush", "vfs.s3.aws_secret_access_key": "hush"}
    uri = "s3://loader-faults/none"
    if case == "no bucket":
        uri = "s3://loader-nowhere/none"
    elif case == "no rights":
        s3_proxy.fails(answers(403, "AccessDenied"), of="")
    elif case == "no server":
        options["vfs.s3.endpoint_override"] = "127.0.0.1:9"
    asked = time.monotonic()
    status, rows, lines, said = load(
        *(word for item in options.items() for word in ("--tiledb", "=".join(item))), uri=uri
    )
    assert time.monotonic() - asked < 60
    assert (status, rows, lines, len(said)) == (2, [], [], 1)
    assert said[0].startswith(f"alb: no SOMA experiment at {uri}, or bucket, region or credentials are wrong: ")
    assert "hush" not in said[0]
    assert list(tmp_path.iterdir()) == []
