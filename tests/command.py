"""``alb`` in a process of its own, as a user has it, and a dataset for it to read."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny import Tiny, write_tiny

from alb_core.base.paths import DATA_VARIABLE
from alb_core.cli.main import main
from alb_core.datasets.manifest import Manifest, bytes_digest, fingerprint, save

#: Where the programs that tests run lie.
TESTS = Path(__file__).parent

ALB = (sys.executable, "-m", "alb_core.cli")

#: Buffers for so little data: those of a GiB would be most of what a process holds.
SMALL = ("-P", "16777216", "-S", "16777216")


def environment(data: Path, **more: str) -> dict[str, str]:
    """Variables for a command whose data lie at ``data``, and that finds nothing of its user's S3."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    # No answer comes from an instance's own service, and asking it takes seconds.
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    nothing["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    return {**mine, **nothing, DATA_VARIABLE: str(data), **more}


def alb(
    *words: str | Path, data: Path, preexec: Callable[[], Any] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run ``alb`` to its end; ``more`` are variables of its environment, ``preexec`` sets its limits."""
    command = [*ALB, *map(str, words)]
    return subprocess.run(
        command,
        env=environment(data, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        preexec_fn=preexec,
    )


def typed(*words: str) -> int:
    """Type ``alb`` in this process; returns its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def dataset(path: Path, spec: Mapping[str, Any] | None = None, **tiny: Any) -> Tiny:
    """Write a small experiment with a manifest that says what it holds; ``spec`` is that of a slice of a Census."""
    made = write_tiny(path, **tiny)
    files, digest = fingerprint(path)
    manifest = Manifest(
        name=path.name,
        kind="synthetic" if spec is None else "census",
        spec=spec or {},
        writer={},
        n_obs=made.totals.n_rows,
        n_vars=len(made.var_joinids),
        nnz=made.totals.nnz,
        x_sum=made.totals.total,
        x_checksum=f"{made.totals.checksum:016x}",
        obs_checksum="0" * 64,
        var_checksum="0" * 64,
        x_bytes=1,
        files=files,
        files_digest=digest,
        bytes_digest=bytes_digest(path),
    )
    save(path, manifest)
    return made


def contradict(path: Path, **figures: Any) -> None:
    """Let the manifest of a dataset say something else than what it holds."""
    from alb_core.datasets.manifest import load

    save(path, replace(load(path), **figures))


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that is only waiting to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], Any], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def session(leader: int) -> list[int]:
    """Processes of a session that run, by number."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
