"""`alb campaign` for real: two releases, killed while it measures, and gone on with."""

import json
import signal
import subprocess
import sys
import time

import pytest
from suite_copy import said

from alb_core.base import certificate
from alb_core.commits.history import releases_lock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RELEASES = [releases_lock.find(releases_lock.load(), version) for version in ("2.2.0", "2.3.0")]
BENCHMARK = "read_chunks.ReadChunks.time_epoch"
WORDS = ["campaign", "2.2.0..2.3.0", "--machine", "history", "--rounds", "3", "-b"]
WORDS.append(r"ReadChunks.time_epoch\('table', 4096, 'none'\)")


def results(suite):
    """asv's results by release, each of which can be read at any moment."""
    found = {}
    for release in RELEASES:
        for path in (suite.root / "data" / "results" / "history").glob(f"{release.commit[:8]}-*.json"):
            found[release.version] = json.loads(path.read_text())
    return found


def samples(content):
    row = dict(zip(content["result_columns"], content["results"][BENCHMARK], strict=False))
    return [taken for taken in row["samples"] if taken]


def rounds(content):
    return [key for key in content["durations"] if key.startswith(f"<campaign {BENCHMARK}-")]


def test_killed_and_gone_on_with_it_ends_with_every_round_once(suite):
    command = [sys.executable, "-m", "alb_core.cli", *WORDS]
    log = suite.root.parent / "campaign.log"
    with log.open("wb") as file:
        running = subprocess.Popen(command, cwd=suite.root, env=suite.environment(), stdout=file, stderr=file)
        deadline = time.monotonic() + 600
        while not results(suite):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        running.wait()
    kept = {version: samples(content) for version, content in results(suite).items()}
    assert kept and all(len(found) == 1 and len(found[0]) % 2 == 0 for found in kept.values())

    planned = suite.alb(*WORDS, "--dry-run")
    left = 6 - sum(len(found[0]) // 2 for found in kept.values())
    assert planned.returncode == 0 and f"{left} processes are left, about " in planned.stdout, said(planned)

    done = suite.alb(*WORDS)
    assert done.returncode == 0 and f"{left} processes in " in done.stdout, said(done)
    assert done.stdout.splitlines()[-1] == "left       nothing is left"
    assert "installing" not in done.stderr
    for version, content in results(suite).items():
        [taken] = samples(content)
        assert len(taken) == 6 and taken[: len(kept.get(version, [[]])[0])] == kept.get(version, [[]])[0]
        assert sum(int(key.split("+")[1].split("x")[0]) for key in rounds(content)) == 3
        assert content["requirements"]["tiledbsoma"] == version

    # Each release has its own environment, and asv takes the rounds for its own samples.
    held = {
        certificate.certificate(path.parent)["commit"]
        for path in (suite.root / "data" / "campaign").glob(f"*/*/{certificate.CERTIFICATE}")
    }
    assert held == {release.commit for release in RELEASES}
    compared = suite.asv("compare", "--machine", "history", *(release.commit for release in RELEASES))
    assert compared.returncode == 0 and f"{BENCHMARK}('table', 4096, 'none')" in compared.stdout, said(compared)
