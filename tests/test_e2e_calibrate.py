"""`alb calibrate` for real: commits of known slowness over a real release, killed in the middle, and gone on with."""

import json
import shutil
import signal
import subprocess

import psutil
import pytest
from suite_copy import rounds_in, said

from alb_core.verdicts.calibration.work_pairs import _BUSY

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(900)]

CASE = ("-b", r"Small.time_epoch\(256\)", "--no-canary", "--by", "time", "--machine", "known")


def rounds_of(small):
    """Rounds by size of the change, as they stand in asv's results files."""
    # Results are written in a hidden directory beside them, and moved into their place.
    files = (small.root / "data" / "calibration").glob("[!.]*/known/*.json")
    found = {}
    for path in files:
        found[path.parent.parent.name] = found.get(path.parent.parent.name, 0) + rounds_in(path, "verdict ")
    return found


def branches_of(small):
    history = ["git", "-C", str(small.data / "tiledb-soma"), "branch", "--list"]
    return subprocess.run(history, capture_output=True, text=True).stdout


def test_rounds_outlive_a_kill_and_another_call_adds_to_them(small):
    wrong = small.alb("calibrate", *CASE[:-1], "no/name")
    assert wrong.returncode == 2 and "'no/name' is no machine name" in wrong.stderr, said(wrong)
    branches = branches_of(small)
    measuring = ("calibrate", *CASE, "--minutes", "30")
    _, output = small.interrupted(signal.SIGKILL, lambda: len(rounds_of(small)) == 5, *measuring)
    before = rounds_of(small)
    assert set(before) == {"0percent", "5percent", "10percent", "25percent", "10percent-waiting"}, output

    # Every commit in an environment of its own, the release in two, and the history in use is what it was.
    held = small.certificates("env", "duo", "c05", "c10", "c25", "cwt")
    assert len(held) == 6 and len({found["commit"] for found in held}) == 5
    assert {found["kind"] for found in held} == {"release", "overlay"}
    assert branches_of(small) == branches

    # Of a later call that has no minutes, what there is stands, and is too little for a verdict.
    again = small.alb("calibrate", *CASE, "--minutes", "0")
    assert again.returncode == 3 and "too few rounds for one verdict of " in again.stderr, said(again)
    assert rounds_of(small) == before
    total = sum(before.values())
    status, output = small.interrupted(signal.SIGINT, lambda: sum(rounds_of(small).values()) > total, *measuring)
    assert status == 130 and "the rounds are kept, and the same command goes on" in output, output
    after = rounds_of(small)
    assert all(after[size] >= before[size] for size in before) and sum(after.values()) > total, (before, after)

    place = small.root / "data" / "results" / "known" / "calibration.json"
    place.write_text("{")
    damaged = small.alb("calibrate", *CASE, "--minutes", "0")
    assert damaged.returncode == 2 and "calibration.json is no calibration" in damaged.stderr, said(damaged)
    place.unlink()


def busy(small):
    """Busy processes of this suite."""
    found = [each.info for each in psutil.process_iter(["cmdline", "cwd"])]
    return [each for each in found if each["cwd"] == str(small.root) and (each["cmdline"] or [""])[-1] == _BUSY]


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts")
def test_pairs_of_counts_outlive_a_kill_and_another_call_adds_to_them(small):
    words = ("calibrate", "--by", "work", *CASE[:2], "--machine", "counted", "--minutes")
    file = small.root / "data" / "calibration" / "work" / "counted.json"
    none = small.alb(*words, "0")
    assert none.returncode == 3 and "no pair of equal commits is counted on counted yet" in none.stderr, said(none)
    small.interrupted(signal.SIGKILL, file.exists, *words, "30")
    pairs = json.loads(file.read_text())["pairs"]
    # The second one is counted beside busy processes, which end with the command.
    _, output = small.interrupted(signal.SIGINT, lambda: len(busy(small)) == 8, *words, "30")
    assert "pair 2: equal commits, beside 8 busy processes" in output and not busy(small)
    assert json.loads(file.read_text())["pairs"] == pairs
    done = small.alb(*words, "0")
    assert done.returncode == 0 and "1 pairs of equal commits" in done.stdout, said(done)
    known = json.loads((small.root / "data" / "results" / "counted" / "calibration.json").read_text())
    [case] = known["work"]["cases"].values()
    assert case["false_alarms"] == {"count": 0, "of": 1}, known
