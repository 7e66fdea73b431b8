"""A loader with faults on demand, by the names of its settings; it needs no dataset, but makes up its cells.

A user's own loader is such a module: ``--peers`` takes the dotted path of one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alb_core.peers.interface import PeerBatch, Wanted

NAME = "strange"
DISTRIBUTION = "no-such-distribution"
COPIES: tuple[str, ...] = ()
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    name: {"fault": name}
    for name in ("default", "loses", "swaps values", "exhausts", "dies", "hangs", "helped", "says why not")
}


#: Of what the tests ask for.
N_ROWS, N_VARS = 300, 20


def joinids(n_rows: int) -> np.ndarray:
    return 3 * np.arange(n_rows)


def cells(ids: np.ndarray, n_vars: int) -> np.ndarray:
    """Counts of 0 to 6 by joinid and column."""
    return ((ids[:, None] * 7 + np.arange(n_vars) * 13) % 11 % 7).astype(np.float32)


def unsupported(wanted: Wanted) -> str | None:
    return "it cannot" if wanted.options.get("fault") == "says why not" else None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    fault = os.environ.get("STRANGE_FAULT") or str(wanted.options["fault"])
    ids = joinids(wanted.n_rows)
    if wanted.shuffle:
        ids = np.random.default_rng((wanted.seed, wanted.epoch)).permutation(ids)
    return _batches(wanted, ids, fault)


def _batches(wanted: Wanted, ids: np.ndarray, fault: str) -> Iterator[PeerBatch]:
    if fault == "helped":
        # A process that holds 200 MB for a while, and one that would go on for ever.
        held = "import time; held = bytearray(200_000_000); time.sleep(2)"
        helper = subprocess.Popen([sys.executable, "-c", held])
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        helper.wait()
    for start in range(0, len(ids), wanted.batch_size):
        part = ids[start : start + wanted.batch_size]
        x = cells(part, wanted.n_vars)
        if fault == "loses" and start == 0:
            part, x = part[1:], x[1:]
        elif fault == "swaps values":
            x = x[:, ::-1].copy()
        elif start:
            _end(fault)
        yield torch.from_numpy(x), part


def _end(fault: str) -> None:
    """Do what ends an epoch in its middle."""
    if fault == "exhausts":
        raise MemoryError("no room\nfor 10 GiB")
    if fault == "dies":
        print("about to die", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hangs":
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        told = Path(os.environ["STRANGE_PIDS"])
        told.with_suffix(".new").write_text(f"{os.getpid()} {helper.pid}")
        told.with_suffix(".new").rename(told)
        time.sleep(3600)
