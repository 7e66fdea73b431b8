"""Real asv runs over real releases, in a copy of the suite: what a user types, and what is there afterwards."""

import json
import math
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from suite_copy import said

from alb_core.base import certificate
from alb_core.commits.builds.install import release_wheels
from alb_core.commits.history import releases_lock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OLDEST, NEWEST = releases_lock.load()[0], releases_lock.find(releases_lock.load(), "2.3.0")
CASES = (r"ReadChunks.*epoch\('table', 1024, 'none'\)", r"DataLoader.*epoch\('scipy.csr', '8x64', 'block'\)")
SHORT = [word for case in CASES for word in ("--bench", case)]
ONCE = ["--attribute", "rounds=1", "--attribute", "repeat=1"]


@pytest.fixture(scope="module")
def measured(suite):
    """The first thing that a user types, over two releases and few cases."""
    hashes = suite.root.parent / "hashes"
    hashes.write_text(f"{OLDEST.commit}\n{NEWEST.commit}\n")
    return suite.asv("run", "--machine", "g4dn", f"HASHFILE:{hashes}", "--show-stderr", *SHORT, *ONCE)


@pytest.fixture(scope="module")
def published(suite, measured):
    return suite.asv("publish")


def values(results, benchmark):
    """Values of a benchmark that were measured; the rest of the grid is NaN."""
    row = dict(zip(results["result_columns"], results["results"][benchmark], strict=False))
    return measured_only(row["result"])


def measured_only(values):
    return [value for value in values if value is not None and not math.isnan(value)]


def test_run_makes_what_it_needs_and_says_so(suite, measured):
    assert measured.returncode == 0, said(measured)
    for line in ("making mini in", "making the history of", "this computer is now machine g4dn"):
        assert line in measured.stderr
    listed = suite.alb("data", "list").stdout
    assert next(line for line in listed.splitlines() if line.startswith("mini")).endswith("ready")


@pytest.mark.parametrize("release", [OLDEST, NEWEST], ids=lambda release: release.version)
def test_results_hold_figures_and_versions(suite, measured, release):
    results = suite.results(release)
    assert results["commit_hash"] == release.commit
    for name in ("read_chunks.ReadChunks", "data_loader.DataLoader"):
        [seconds], [peak] = values(results, f"{name}.time_epoch"), values(results, f"{name}.peakmem_epoch")
        assert 0.05 < seconds < 120 and 100e6 < peak < 6 * 2**30
    versions = results["requirements"]
    assert (versions["tiledbsoma"], versions["numpy"]) == (release.version, "1.26.4")
    assert {item.name: item.version for item in release.companions}.items() <= versions.items()
    assert ("tiledb" in versions) == (release is OLDEST)
    assert results["env_vars"] == {"ALB_STACK": "2026.12"}


def test_both_releases_ran_under_one_stack(suite, measured):
    alone = {"tiledbsoma", "somacore", "tiledb"}
    old, new = ({k: v for k, v in suite.results(r)["requirements"].items() if k not in alone} for r in (OLDEST, NEWEST))
    assert old == new


def test_published_graphs_hold_the_results(suite, published):
    assert published.returncode == 0, said(published)
    html = suite.root / "html"
    index = json.loads((html / "index.json").read_text())
    assert index["project"] == "tiledbsoma" and list(index["machines"]) == ["g4dn"]
    revisions = {commit: int(revision) for revision, commit in index["revision_to_hash"].items()}
    assert index["tags"]["1.7.3"] == revisions[OLDEST.commit]
    # One graph of the two releases, not one each: nothing that differs between commits is a graph parameter.
    [path] = (html / "graphs").glob("arch-*/**/read_chunks.ReadChunks.time_epoch.json")
    points = dict(json.loads(path.read_text()))
    for release in (OLDEST, NEWEST):
        expected = values(suite.results(release), "read_chunks.ReadChunks.time_epoch")
        assert measured_only(points[revisions[release.commit]]) == expected


def test_preview_publishes_where_there_is_no_site_and_serves_it(suite, published):
    shutil.rmtree(suite.root / "html")
    command = [sys.executable, "-u", "-m", "asv", "preview"]
    with subprocess.Popen(
        command, cwd=suite.root, env=suite.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            line = next(line for line in server.stdout if "Serving at" in line)
            url = line.split("Serving at ")[1].strip()
            with urllib.request.urlopen(url + "index.json", timeout=30) as answer:
                assert json.load(answer)["project"] == "tiledbsoma"
        finally:
            server.terminate()


@pytest.mark.skipif(sys.platform != "linux", reason="asv forks on Linux alone")
def test_nothing_but_library_helpers_runs_where_asv_forks(suite, measured):
    # TileDB's threads would not survive the fork, and a benchmark would hang.
    program = (
        f"import sys; sys.path.insert(0, {str(suite.root)!r})\n"
        "import benchmarks.read_chunks, benchmarks.data_loader, pathlib\n"
        "print(*(task.joinpath('comm').read_text().strip() for task in pathlib.Path('/proc/self/task').iterdir()))"
    )
    python = suite.benchmark_environment / "bin" / "python"
    out = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(out.split()) <= {"python", "jemalloc_bg_thd"}


def test_another_tiledbsoma_in_the_environment_fails_naming_both(suite, measured):
    environment = suite.benchmark_environment
    assert certificate.certificate(environment)["commit"] == NEWEST.commit, "asv installed it last"
    pip = [environment / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--force-reinstall"]
    subprocess.run([*pip, *release_wheels(OLDEST)], check=True)
    done = suite.asv("run", "2.3.0^!", "--machine", "g4dn", "--show-stderr", "--dry-run", *SHORT[:2], *ONCE)
    # asv believes that 2.3.0 is installed: have it install again.
    (environment / "asv-install-status.json").unlink()
    assert done.returncode == 2
    assert f"asv asked for commit {NEWEST.commit} (tiledbsoma 2.3.0" in said(done)
    assert "the environment holds another tiledbsoma 1.7.3" in said(done)


def test_another_computer_is_refused(suite, measured):
    path = suite.root / "data" / "results" / "g4dn" / "machine.json"
    kept = path.read_text()
    path.write_text(json.dumps({**json.loads(kept), "num_cpu": "999"}))
    try:
        done = suite.asv("run", "--machine", "g4dn")
    finally:
        path.write_text(kept)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("alb: machine g4dn")]
    assert "num_cpu 999" in line and "alb machines claim g4dn" in line and "Traceback" not in done.stderr


def test_an_altered_dataset_is_refused_before_anything_runs(suite, measured):
    array = next((suite.root / "data" / "soma" / "mini" / "ms" / "RNA" / "X" / "raw" / "__fragments").rglob("a0.tdb"))
    size = array.stat().st_size
    with array.open("ab") as file:
        file.write(b"x")
    try:
        done = suite.asv("run", "--machine", "g4dn")
    finally:
        os.truncate(array, size)
    assert done.returncode == 2 and "alb data make mini --replace" in done.stderr


def test_quickstart_ends_with_a_table_and_the_next_commands(suite, measured):
    done = suite.alb("quickstart")
    assert done.returncode == 0, said(done)
    table = done.stdout[done.stdout.index("benchmark ") :]
    assert "1.7.3" in table and "2.3.0" in table and "data_loader.DataLoader.time_epoch" in table
    for command in ("asv run --machine g4dn", "asv continuous main HEAD", "asv publish && asv preview"):
        assert command in table
    assert Path(suite.root / "html" / "index.html").is_file()


def test_publish_works_where_nothing_was_measured(suite, measured):
    results = suite.root / "data" / "results"
    results.rename(suite.root / "results.kept")
    try:
        done = suite.asv("publish")
        assert done.returncode == 0, said(done)
        assert "discovering the benchmarks" in done.stderr
        assert json.loads((suite.root / "html" / "index.json").read_text())["benchmarks"]
    finally:
        shutil.rmtree(results)
        (suite.root / "results.kept").rename(results)
