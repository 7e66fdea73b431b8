from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.loader.packing import kernel_cache

PROGRAM = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from alb_core.loader.packing import kernel_cache
kernel_cache.ensure()
from numba.core import event
seen = []
with event.install_recorder("numba:compile") as recorder:
    from alb_core.loader.packing import kernels
    kernels.compile_all()
print(len(recorder.buffer))
"""


def test_a_process_compiles_nothing_after_it_was_ensured(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(suite_root())],
            capture_output=True,
            text=True,
            env={**os.environ, "ALB_DATA": str(data)},
        )
        assert (done.stderr, done.stdout) == ("", "0\n")
    [place] = (data / "numba").iterdir()
    assert (place / "compiled").exists()


def test_without_numba_it_is_not_applicable(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name):
        raise kernel_cache.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(kernel_cache.metadata, "version", absent)
    with pytest.raises(NotImplementedError, match=r"^numba is not installed$"):
        kernel_cache.ensure()


def test_kernels_that_cannot_be_compiled_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(kernel_cache, "_PROGRAM", "raise SystemExit('no compiler')")
    with pytest.raises(AlbError, match=r"^the kernels of .* cannot be compiled: no compiler$"):
        kernel_cache.ensure()
    assert not list((tmp_path / "data" / "numba").rglob("compiled"))
