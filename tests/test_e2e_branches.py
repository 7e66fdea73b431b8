"""`alb verdict`, `alb bisect` and `asv continuous` for real: commits of one's own over a release."""

import json
import os
import shutil
import signal
import time
import uuid
from pathlib import Path

import pytest
from suite_copy import rounds_in, said, samples_in
from working import READERS, sleeping, working

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: By the clock: to count takes half a minute each time, and one test does.
CASE = ("-b", r"Small.time_epoch\(256\)", "--no-canary", "--by", "time")
ROW = "small.Small.epoch(256)"


@pytest.fixture(scope="module")
def branches(small):
    with working(small, "mine") as made:
        # Four times as slow, so that six rounds tell on any machine.
        made.slow = made.branch("slow", READERS, lambda text: sleeping(text, 3.0))
        yield made


def rounds_of(small, commit):
    """Rounds of the case that asv's results of a commit hold."""
    return rounds_in(small.results_file(commit), r"verdict \w+ small\.Small\.time_epoch-0 ")


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
    return small.interrupted(
        number, lambda: rounds_of(small, commit) > before and servers(small), "verdict", *CASE, "--budget", "8m"
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("verdict", "main", "main"), "are the same commit"),
        (("verdict", "main", "nowhere"), "has no commit nowhere, expected one"),
        (("bisect", "HEAD", "main", "-b", "Small"), "are they the wrong way round?"),
    ],
)
def test_what_is_asked_in_vain_is_refused(small, branches, words, reason):
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
    done = small.alb("verdict", *CASE[:3], "--budget", "8m", "--json")
    assert done.returncode == 1, said(done)
    found = json.loads(done.stdout)
    [row] = found["rows"]
    assert (found["verdict"], row["name"], row["time"]["word"]) == ("worse", ROW, "worse")
    assert row["time"]["low"] > 0 and found["recorded"] == before
    # A sleep is no work.
    assert shutil.which("valgrind") is None or row["work"]["word"] == "no change"
    # It sleeps, and reads what it read before.
    unmoved = f"{ROW} is worse, and as before are bytes read, "
    assert any(line.startswith(unmoved) for line in found["moved"]), said(done)

    # Each side lies in an environment of its own, and asv finds the rounds and counters of both.
    held = {found["commit"] for found in small.certificates("env", "duo")}
    assert held == {branches.slow, branches.git("rev-parse", "main")}
    path = small.results_file(branches.slow)
    assert len(samples_in(path, "small.Small.time_epoch")) == 2 * row["time"]["rounds"]
    results = json.loads(path.read_text())
    counted = dict(zip(results["result_columns"], results["results"]["counters.Small.track_tiles"], strict=False))
    assert counted["result"][0] > 0
    assert results["requirements"]["tiledbsoma"] == f"2.3.0+g{branches.slow[:10]}"
    compared = small.asv("compare", "main", "HEAD")
    assert compared.returncode == 0 and "time_epoch(256)" in compared.stdout, said(compared)


def test_a_second_call_needs_no_second(small, branches):
    again = small.alb("verdict", *CASE, "--budget", "1s")
    assert again.returncode == 1 and again.stdout.splitlines()[-1].startswith("WORSE by "), said(again)
    assert f"{rounds_of(small, branches.slow)} pairs of earlier calls count" in again.stdout


def test_the_first_bad_commit_is_found_and_rounds_that_are_there_count(small, branches):
    branches.branch("native", "dist_links/libtiledbsoma/CMakeLists.txt", lambda text: "# Mine.\n" + text, base="slow")
    words = branches.branch("words", READERS, lambda text: f"# {uuid.uuid4()}\n{text}", base="slow")
    done = small.alb("bisect", "main", "HEAD", "--by", "time", *CASE[:2])
    assert done.returncode == 0, said(done)
    lines = done.stdout.splitlines()
    assert lines[-1] == f"FIRST BAD COMMIT: {branches.slow[:7]} slow", said(done)
    assert lines[-2].startswith(f"to see it again: alb verdict {branches.git('rev-parse', 'main')[:10]} ")
    # Those that the verdict left are among them.
    rounds = rounds_of(small, branches.slow) + rounds_of(small, words)
    assert lines[-3] == f"1 commits tested, {rounds} rounds; wrong in at most 5.0 %"


def test_a_damaged_file_stays_as_long_as_nothing_is_written(small, branches):
    branches.git("switch", "-q", "slow")
    path = small.results_file(branches.slow)
    whole = path.read_text()
    path.write_text("{")
    damaged = small.alb("verdict", *CASE, "--budget", "1s", "--no-counters")
    assert damaged.returncode == 2 and "too small for one round" in damaged.stderr, said(damaged)
    assert f"{path} cannot be read" in damaged.stderr
    assert path.read_text() == "{"
    path.write_text(whole)


def continuous(small):
    """Compare main with HEAD; a change counts from a factor that no busy machine makes of equal commits."""
    samples = ("--attribute", "rounds=1", "--attribute", "repeat=8", "--factor", "2")
    done = small.asv("continuous", "main", "HEAD", "--no-only-changed", "--bench", CASE[1], *samples)
    lines = [line for line in done.stdout.splitlines() if "small.Small.time_epoch(256)" in line]
    assert len(lines) == 1, said(done)
    return done, lines[0].strip("| ").split()[0]


def test_asv_continuous_reports_a_slower_commit_and_leaves_the_checkout_alone(small, branches):
    (branches.root / "setup.cfg").write_text("[mine]\n")
    before = branches.git("status", "--porcelain"), branches.git("for-each-ref")
    done, mark = continuous(small)
    assert (done.returncode, mark) == (1, "+") and "PERFORMANCE DECREASED" in said(done), said(done)
    assert "not what is uncommitted" in done.stderr and "setup.cfg" in done.stderr
    assert (branches.git("status", "--porcelain"), branches.git("for-each-ref")) == before
    branches.git("restore", "setup.cfg")


def test_asv_continuous_reports_no_commit_that_changes_comments(small, branches):
    branches.branch("comments", READERS, lambda text: f"# {uuid.uuid4()}\n{text}")
    done, mark = continuous(small)
    assert done.returncode == 0 and mark != "+" and "PERFORMANCE DECREASED" not in said(done), said(done)


def test_a_commit_that_cannot_be_built_is_named_and_recorded_as_failed(small, branches, tmp_path):
    branches.git("switch", "-q", "native")
    native = branches.git("rev-parse", "HEAD")
    done = small.run("alb_core.cli", "verdict", *CASE, TILEDB_PATH=str(tmp_path))
    assert done.returncode == 3, said(done)
    assert done.stderr.splitlines()[-1].startswith("alb: HEAD HEAD (") and "cannot be built" in done.stderr

    # asv goes on with the next one, which is the release's own package.
    readme = branches.branch("readme", "README.md", lambda text: "Mine.\n" + text)
    hashes = tmp_path / "hashes"
    hashes.write_text(f"{native}\n{readme}\n")
    once = ("--attribute", "rounds=1", "--attribute", "repeat=1", "--bench", CASE[1])
    done = small.run("asv", "run", f"HASHFILE:{hashes}", *once, TILEDB_PATH=str(tmp_path))
    assert f"commit {native} cannot be built (source)" in said(done)
    assert f"(missing: TILEDB_PATH={tmp_path} has no include/tiledb)" in said(done)
    assert "2.3.0" not in small.results_file(native).read_text()
    assert json.loads(small.results_file(readme).read_text())["requirements"]["tiledbsoma"] == "2.3.0"
    assert {found["kind"] for found in small.certificates("env")} == {"release"}
