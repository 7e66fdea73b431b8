"""`alb campaign` for real: two releases, killed while it measures, and gone on with."""

import json
import shutil
import signal

import pytest
from suite_copy import rounds_in, said, samples_in

from alb_core.commits.history import releases_lock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RELEASES = [releases_lock.find(releases_lock.load(), version) for version in ("2.2.0", "2.3.0")]
BENCHMARK = "small.Small.time_epoch"
SMALL = ["--machine", "history", "-b", r"Small.time_epoch\(256\)"]
WORDS = ["campaign", "2.2.0..2.3.0", "--by", "time", "--rounds", "3", *SMALL]


def results(small):
    """Files of the two releases, as far as there are any; each can be read at any moment."""
    found = {release.version: small.results_file(release.commit, "history") for release in RELEASES}
    return {version: path for version, path in found.items() if path}


def test_killed_and_gone_on_with_it_ends_with_every_round_once(small):
    small.interrupted(signal.SIGKILL, lambda: results(small), *WORDS)
    kept = {version: samples_in(path, BENCHMARK) for version, path in results(small).items()}
    assert kept and all(len(taken) % 2 == 0 for taken in kept.values())

    planned = small.alb(*WORDS, "--dry-run")
    left = 6 - sum(len(taken) // 2 for taken in kept.values())
    assert planned.returncode == 0 and f"{left} processes are left, about " in planned.stdout, said(planned)

    done = small.alb(*WORDS)
    assert done.returncode == 0 and f"{left} processes in " in done.stdout, said(done)
    assert done.stdout.splitlines()[-1] == "left       nothing is left"
    assert "installing" not in done.stderr
    for version, path in results(small).items():
        taken, before = samples_in(path, BENCHMARK), kept.get(version, [])
        assert len(taken) == 6 and taken[: len(before)] == before
        assert rounds_in(path, f"campaign {BENCHMARK}-") == 3
        assert json.loads(path.read_text())["requirements"]["tiledbsoma"] == version

    # Each release has its own environment, and asv takes the rounds for its own samples.
    commits = {release.commit for release in RELEASES}
    assert {found["commit"] for found in small.certificates("campaign/*")} == commits
    compared = small.asv("compare", "--machine", "history", *(release.commit for release in RELEASES))
    assert compared.returncode == 0 and f"{BENCHMARK}(256)" in compared.stdout, said(compared)


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts")
def test_two_shards_count_what_one_run_would(small):
    for shard, version in (("1/2", "2.2.0"), ("2/2", "2.3.0")):
        done = small.alb("campaign", "2.2.0..2.3.0", "--by", "work", "--shard", shard, *SMALL)
        assert done.returncode == 0 and "work       1 of 1 releases are counted, 1 cases each" in done.stdout, said(
            done
        )
        assert f"releases   1, {version} to {version}" in done.stdout, said(done)
    planned = small.alb("campaign", "-n", "2.2.0..2.3.0", "--by", "work", *SMALL)
    assert planned.stdout.splitlines()[-1] == "left       nothing is left to count", said(planned)
    steps = small.alb("history", "steps", "2.2.0..2.3.0", "--by", "work", "--threshold", "0.0001%", *SMALL)
    assert steps.returncode == 0 and steps.stdout.startswith("2.3.0    small.Small.epoch(256): "), said(steps)
