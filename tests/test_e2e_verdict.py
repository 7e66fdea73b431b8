"""`alb verdict` for real: a commit of one's own that reads slower, over a real release."""

import json
import os

import pytest
from suite_copy import said
from working import READERS, sleeping, working

from alb_core import proof

# Minutes of measuring, which a busy machine makes many.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1500),
    pytest.mark.skipif("ALB_TEST_VERDICT" not in os.environ, reason="takes minutes: ALB_TEST_VERDICT=1 runs it"),
]

CASE = ("-b", r"ReadChunks.time_epoch\('table', 4096, 'none'\)", "--no-canary")
ROW = "read_chunks.ReadChunks.epoch('table', 4096, 'none')"


@pytest.fixture(scope="module")
def branches(suite):
    with working(suite, "verdict") as made:
        yield made


def results_of(suite, commit):
    [path] = (suite.root / "data" / "results").glob(f"*/{commit[:8]}-*.json")
    return path


def test_a_slower_commit_is_worse_and_asv_has_its_rounds(suite, branches):
    same = suite.alb("verdict")
    assert same.returncode == 2 and "are the same commit" in same.stderr and "--aa" in same.stderr
    unknown = suite.alb("verdict", "main", "nowhere")
    assert unknown.returncode == 2 and "'nowhere' is no commit" in unknown.stderr

    commit = branches.branch("twice", READERS, lambda text: sleeping(text, 3.0))
    # As long as a busy machine needs; it ends as soon as the answer is clear.
    done = suite.alb("verdict", *CASE, "--budget", "8m", "--json")
    assert done.returncode == 1, said(done)
    found = json.loads(done.stdout)
    [row] = found["rows"]
    assert (found["verdict"], row["name"], row["time"]["word"]) == ("worse", ROW, "worse")
    assert row["time"]["low"] > 0 and found["recorded"] == 0

    # Each side lies in an environment of its own, and asv finds the rounds of both.
    held = {proof.certificate(p.parent)["commit"] for p in (suite.root / "data").glob(f"*/*/{proof.CERTIFICATE}")}
    assert held == {commit, branches.git("rev-parse", "main")}
    results = json.loads(results_of(suite, commit).read_text())
    rounds = [key for key in results["durations"] if key.startswith("<verdict ")]
    samples = dict(
        zip(results["result_columns"], results["results"]["read_chunks.ReadChunks.time_epoch"], strict=False)
    )
    [mine] = [taken for taken in samples["samples"] if taken]
    assert len(mine) == 2 * row["time"]["rounds"] and len(rounds) == 1
    assert results["requirements"]["tiledbsoma"] == f"2.3.0+g{commit[:10]}"
    compared = suite.asv("compare", "main", "HEAD")
    assert compared.returncode == 0 and "time_epoch('table', 4096, 'none')" in compared.stdout, said(compared)

    # A second call needs no second: the rounds are there.
    again = suite.alb("verdict", *CASE, "--budget", "1s")
    assert again.returncode == 1 and again.stdout.splitlines()[-1].startswith("WORSE: HEAD"), said(again)
    assert f"{row['time']['rounds']} pairs of earlier calls count" in again.stdout

    nothing = suite.alb("verdict", "-b", "no_such_benchmark", "--no-canary")
    assert nothing.returncode == 2 and "no benchmark matches 'no_such_benchmark'" in nothing.stderr

    path = results_of(suite, commit)
    path.write_text("{")
    damaged = suite.alb("verdict", *CASE, "--budget", "1s")
    assert damaged.returncode == 2 and "too small for one round" in damaged.stderr, said(damaged)
    assert f"{path} cannot be read" in damaged.stderr
    assert path.with_name(f"{path.name}.corrupt").read_text() == "{"


def test_a_commit_that_cannot_be_built_is_named_and_nothing_is_measured(suite, branches, tmp_path):
    branches.branch("native", "dist_links/libtiledbsoma/CMakeLists.txt", lambda text: "# Mine.\n" + text)
    done = suite.run("alb_core.cli", "verdict", *CASE, TILEDB_PATH=str(tmp_path))
    assert done.returncode == 3, said(done)
    assert done.stderr.splitlines()[-1].startswith("alb: HEAD HEAD (") and "cannot be built" in done.stderr
