"""`alb calibrate` for real: commits of known slowness over a real release, killed in the middle, and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from suite_copy import said

from alb_core.base import certificate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CASE = ("-b", r"ReadChunks.time_epoch\('table', 4096, 'none'\)", "--no-canary", "--machine", "known")


def rounds_of(suite):
    """Rounds by size of the change, as they stand in asv's results files."""
    found = {}
    for path in sorted((suite.root / "data" / "calibration").glob("*/known/*.json")):
        keys = [key for key in json.loads(path.read_text())["durations"] if key.startswith("<verdict ")]
        found.setdefault(path.parent.parent.name, []).append(sum(int(k.split("+")[1].split("x")[0]) for k in keys))
    return found


def branches_of(suite):
    history = suite.root / "data" / "tiledb-soma"
    return subprocess.run(["git", "-C", str(history), "branch", "--list"], capture_output=True, text=True).stdout


def killed_after_a_round(suite):
    """Begin a calibration, and kill all of its processes once each size has a round."""
    command = [sys.executable, "-m", "alb_core.cli", "calibrate", *CASE, "--minutes", "30"]
    options = {"cwd": suite.root, "env": suite.environment(), "stdin": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, **options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while process.poll() is None and len(rounds_of(suite)) < 4:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0].decode()


def test_rounds_outlive_a_kill_and_another_call_adds_to_them(suite):
    wrong = suite.alb("calibrate", *CASE[:-1], "no/name")
    assert wrong.returncode == 2 and "'no/name' is no machine name" in wrong.stderr, said(wrong)
    branches = branches_of(suite)
    output = killed_after_a_round(suite)
    before = rounds_of(suite)
    assert set(before) == {"0percent", "5percent", "10percent", "25percent"}, output

    # Every commit in an environment of its own, the release in two, and the history in use is what it was.
    roots = [suite.root / "data" / name for name in ("env", "duo", "c05", "c10", "c25")]
    held = [
        certificate.certificate(path.parent) for root in roots for path in root.glob(f"*/{certificate.CERTIFICATE}")
    ]
    assert len(held) == 5 and len({found["commit"] for found in held}) == 4
    assert {found["kind"] for found in held} == {"release", "overlay"}
    assert branches_of(suite) == branches

    # Of a later call that has no minutes, what there is stands, and is too little for a verdict.
    again = suite.alb("calibrate", *CASE, "--minutes", "0")
    assert again.returncode == 3 and "too few rounds for one verdict of " in again.stderr, said(again)
    assert rounds_of(suite) == before
    # How many rounds a minute holds, and whose turn it is, is the machine's to say: at least one, and none is lost. A
    # third of it was spent on environments alone where the machine had other work.
    more = suite.alb("calibrate", *CASE, "--minutes", "1")
    assert more.returncode == 3, said(more)
    after = rounds_of(suite)
    assert all(after[size][0] >= before[size][0] for size in before), (before, after)
    assert sum(after[size][0] for size in after) > sum(before[size][0] for size in before), (before, after)

    place = suite.root / "data" / "results" / "known" / "calibration.json"
    place.write_text("{")
    damaged = suite.alb("calibrate", *CASE, "--minutes", "0")
    assert damaged.returncode == 2 and "calibration.json cannot be read" in damaged.stderr, said(damaged)
    place.unlink()
    nothing = suite.alb("calibrate", "-b", "no_such_benchmark", "--machine", "known")
    assert nothing.returncode == 2 and "no benchmark matches 'no_such_benchmark'" in nothing.stderr, said(nothing)
