"""`alb verdict` and `alb bisect` for real: commits of one's own over a real release, in one small benchmark."""

import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from suite_copy import SmallSuite, said
from working import READERS, sleeping, working

from alb_core.base import certificate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CASE = ("-b", r"Small.time_epoch\(256\)", "--no-canary")
ROW = "small.Small.epoch(256)"


@pytest.fixture(scope="module")
def small(suite, tmp_path_factory):
    return SmallSuite(suite, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def branches(small):
    with working(small, "verdict") as made:
        # Four times as slow, so that six rounds tell on any machine.
        made.slow = made.branch("slow", READERS, lambda text: sleeping(text, 3.0))
        yield made


def results_of(small, commit):
    return next((small.root / "data" / "results").glob(f"*/{commit[:8]}-*.json"), None)


def rounds_of(small, commit):
    """Rounds of the case that asv's results of a commit hold."""
    path = results_of(small, commit)
    keys = json.loads(path.read_text())["durations"] if path else {}
    own = [key for key in keys if key.startswith("<verdict ") and "time_epoch-0 " in key]
    return sum(int(key.split("+")[1].split("x")[0]) for key in own)


def servers(small):
    """Processes of the benchmark environments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"run_server" in words and os.fsencode(small.root) in b" ".join(words):
            found.append(int(path.parent.name))
    return found


def gone(small):
    end = time.monotonic() + 20
    while servers(small) and time.monotonic() < end:
        time.sleep(0.05)
    return not servers(small)


def ended(small, commit, number):
    """Start a verdict and end it by a signal in its second round; its exit status and words."""
    before = rounds_of(small, commit)
    running = small.start("verdict", *CASE, "--budget", "8m")
    while rounds_of(small, commit) <= before or not servers(small):
        assert running.poll() is None, (small.root.parent / "said").read_text()
        time.sleep(0.02)
    running.send_signal(number)
    return running.wait(), (small.root.parent / "said").read_text()


def test_what_is_asked_in_vain_is_refused(small, branches):
    for words, reason in (
        (("verdict", "main", "main"), "are the same commit"),
        (("verdict", "main", "nowhere"), "'nowhere' is no commit"),
        (("bisect", "HEAD", "main", "-b", "Small"), "are they the wrong way round?"),
    ):
        done = small.alb(*words)
        assert done.returncode == 2 and reason in done.stderr.splitlines()[-1], said(done)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes by /proc")
def test_ctrl_c_and_kill_9_keep_the_rounds_and_leave_no_process(small, branches):
    status, words = ended(small, branches.slow, signal.SIGINT)
    assert status == 130 and "interrupted: the rounds are kept, and the same command goes on" in words, words
    assert gone(small)
    kept = rounds_of(small, branches.slow)
    status, words = ended(small, branches.slow, signal.SIGKILL)
    assert status == -signal.SIGKILL and gone(small), words
    assert rounds_of(small, branches.slow) > kept > 0


def test_a_slower_commit_is_worse_and_asv_has_its_rounds(small, branches):
    before = rounds_of(small, branches.slow)
    # As long as a busy machine needs; it ends as soon as the answer is clear.
    done = small.alb("verdict", *CASE, "--budget", "8m", "--json")
    assert done.returncode == 1, said(done)
    found = json.loads(done.stdout)
    [row] = found["rows"]
    assert (found["verdict"], row["name"], row["time"]["word"]) == ("worse", ROW, "worse")
    assert row["time"]["low"] > 0 and found["recorded"] == before
    # It sleeps, and reads what it read before.
    assert [line for line in found["moved"] if line.startswith(f"{ROW} is worse, and as before are bytes read, ")]

    # Each side lies in an environment of its own, and asv finds the rounds and counters of both.
    certified = [path for root in ("env", "duo") for path in small.data.glob(f"{root}/*/{certificate.CERTIFICATE}")]
    held = {certificate.certificate(path.parent)["commit"] for path in certified}
    assert held == {branches.slow, branches.git("rev-parse", "main")}
    results = json.loads(results_of(small, branches.slow).read_text())
    columns = [
        dict(zip(results["result_columns"], results["results"][name], strict=False))
        for name in ("small.Small.time_epoch", "counters.Small.track_tiles")
    ]
    [mine] = [taken for taken in columns[0]["samples"] if taken]
    assert len(mine) == 2 * row["time"]["rounds"] and columns[1]["result"][0] > 0
    assert results["requirements"]["tiledbsoma"] == f"2.3.0+g{branches.slow[:10]}"
    compared = small.asv("compare", "main", "HEAD")
    assert compared.returncode == 0 and "time_epoch(256)" in compared.stdout, said(compared)


def test_a_second_call_needs_no_second(small, branches):
    again = small.alb("verdict", *CASE, "--budget", "1s")
    assert again.returncode == 1 and again.stdout.splitlines()[-1].startswith("WORSE: HEAD"), said(again)
    assert f"{rounds_of(small, branches.slow)} pairs of earlier calls count" in again.stdout

    nothing = small.alb("verdict", "-b", "no_such_benchmark", "--no-canary")
    assert nothing.returncode == 2 and "no benchmark matches 'no_such_benchmark'" in nothing.stderr


def test_the_first_bad_commit_is_found_and_rounds_that_are_there_count(small, branches):
    branches.branch("native", "dist_links/libtiledbsoma/CMakeLists.txt", lambda text: "# Mine.\n" + text, base="slow")
    words = branches.branch("words", READERS, lambda text: f"# {uuid.uuid4()}\n{text}", base="slow")
    done = small.alb("bisect", "main", "HEAD", *CASE[:2])
    assert done.returncode == 0, said(done)
    lines = done.stdout.splitlines()
    assert lines[-1] == f"FIRST BAD COMMIT: {branches.slow[:7]} slow", said(done)
    assert lines[-2].startswith(f"to see it again: alb verdict {branches.git('rev-parse', 'main')[:10]} ")
    # Those that the verdict left are among them.
    rounds = rounds_of(small, branches.slow) + rounds_of(small, words)
    assert lines[-3] == f"1 commits tested, {rounds} rounds; wrong in at most 5.0 %"


def test_a_damaged_file_is_set_aside_and_the_other_commits_stay(small, branches):
    branches.git("switch", "-q", "slow")
    path = results_of(small, branches.slow)
    path.write_text("{")
    damaged = small.alb("verdict", *CASE, "--budget", "1s", "--no-counters")
    assert damaged.returncode == 2 and "too small for one round" in damaged.stderr, said(damaged)
    assert f"{path} cannot be read" in damaged.stderr
    assert path.with_name(f"{path.name}.corrupt").read_text() == "{"


def test_a_commit_that_cannot_be_built_is_named_and_nothing_is_measured(small, branches, tmp_path):
    branches.git("switch", "-q", "native")
    done = small.run("alb_core.cli", "verdict", *CASE, TILEDB_PATH=str(tmp_path))
    assert done.returncode == 3, said(done)
    assert done.stderr.splitlines()[-1].startswith("alb: HEAD HEAD (") and "cannot be built" in done.stderr
