"""`asv continuous main HEAD` on a working branch, for real: commits of one's own over a real release."""

import json
import uuid

import pytest
from suite_copy import said
from working import READERS, sleeping, working

from alb_core.base import certificate as certificate_module

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CASE = r"ReadChunks.time_epoch\('table', 4096, 'none'\)"
NAME = "read_chunks.ReadChunks.time_epoch('table', 4096, 'none')"


@pytest.fixture(scope="module")
def branches(suite):
    with working(suite, "work") as made:
        yield made


def continuous(suite):
    """Compare main with HEAD in one case; a change counts from a factor that no busy machine makes of equal commits."""
    samples = ["--attribute", "rounds=2", "--attribute", "repeat=4", "--interleave-rounds", "--factor", "2"]
    return suite.asv("continuous", "main", "HEAD", "--no-only-changed", "--bench", CASE, *samples)


def verdict(done):
    """asv's mark, and its line, for the case."""
    [line] = [line for line in done.stdout.splitlines() if NAME in line]
    return line.strip("| ").split()[0], line


def certificate(suite):
    return certificate_module.certificate(suite.benchmark_environment)


def test_a_commit_that_sleeps_in_the_read_path_is_reported_as_worse(suite, branches):
    commit = branches.branch("slower", READERS, lambda text: sleeping(text, 1.0))
    (branches.root / "setup.cfg").write_text("[mine]\n")
    before = branches.git("status", "--porcelain"), branches.git("for-each-ref")
    done = continuous(suite)
    assert done.returncode == 1, said(done)
    mark, line = verdict(done)
    assert mark == "+" and "PERFORMANCE DECREASED" in said(done), line
    assert "not what is uncommitted" in done.stderr and "setup.cfg" in done.stderr
    assert (branches.git("status", "--porcelain"), branches.git("for-each-ref")) == before
    branches.git("restore", "setup.cfg")
    [results] = (suite.root / "data" / "results").glob(f"*/{commit[:8]}-*.json")
    assert json.loads(results.read_text())["requirements"]["tiledbsoma"] == f"2.3.0+g{commit[:10]}"


def test_a_commit_that_changes_comments_is_not(suite, branches):
    branches.branch("comments", READERS, lambda text: f"# {uuid.uuid4()}\n{text}")
    done = continuous(suite)
    assert done.returncode == 0, said(done)
    mark, line = verdict(done)
    assert mark != "+" and "PERFORMANCE DECREASED" not in said(done), line


def test_a_commit_that_cannot_be_built_is_recorded_as_failed_and_asv_goes_on(suite, branches, tmp_path):
    readme = branches.branch("readme", "README.md", lambda text: "Mine.\n" + text)
    native = branches.branch("native", "dist_links/libtiledbsoma/CMakeLists.txt", lambda text: "# Mine.\n" + text)
    hashes = tmp_path / "hashes"
    hashes.write_text(f"{native}\n{readme}\n")
    once = ["--attribute", "rounds=1", "--attribute", "repeat=1", "--bench", CASE]
    done = suite.run("asv", "run", f"HASHFILE:{hashes}", *once, TILEDB_PATH=str(tmp_path))
    assert f"commit {native} cannot be built (source)" in said(done)
    assert f"TileDB (missing: TILEDB_PATH={tmp_path} has no include/tiledb)" in said(done)
    [failed] = (suite.root / "data" / "results").glob(f"*/{native[:8]}-*.json")
    assert "2.3.0" not in failed.read_text()
    [went_on] = (suite.root / "data" / "results").glob(f"*/{readme[:8]}-*.json")
    assert json.loads(went_on.read_text())["requirements"]["tiledbsoma"] == "2.3.0"
    assert certificate(suite)["kind"] == "release"
