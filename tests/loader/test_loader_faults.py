"""What goes wrong while batches are read."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command import TESTS
from plain import all_ids
from s3 import S3, Proxy, answers, stalls
from tiny import Tiny, write_tiny

from alb_core.base.errors import ReadError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.pipelines import METHOD_NAMES

SPEC = BlockSpec(chunk_size=16, chunks_per_block=4)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_consumer_that_stops_early_leaves_no_threads(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=20) as loader:
        # TileDB's own threads are not Python's, and end with the experiment.
        before = set(threading.enumerate())
        for taken in range(3):
            for _, _ in zip(range(taken), loader, strict=False):
                pass
            gc.collect()
            assert set(threading.enumerate()) <= before
        loader.set_epoch(0)
        assert sorted(i for ids in all_ids(loader) for i in ids) == tiny.obs_joinids.tolist()


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_an_error_while_reading_reaches_the_consumer(tiny: Tiny, tmp_path: Path, method: str) -> None:
    """Its words, the experiment and the place in the reading room, whichever thread read."""
    copy = shutil.copytree(tiny.uri, tmp_path / "copy")
    with SomaLoader(copy, SPEC, method=method, batch_size=20) as loader:
        before = set(threading.enumerate())
        for file in (copy / "ms" / "RNA" / "X" / "raw" / "__fragments").rglob("*.tdb"):
            file.write_bytes(b"not what was there")
        with pytest.raises(ReadError) as caught:
            list(loader)
        assert str(caught.value).startswith(f"reading {copy} failed: ") and caught.value.__cause__
        frames = {Path(entry.path).name for entry in caught.traceback}
        assert frames & {"experiment.py", "prefetch.py"}
        gc.collect()
        assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def s3_tiny(tiny: Tiny, s3_process: S3) -> str:
    return s3_process.upload(Path(tiny.uri), "loader-bucket", "tiny")


#: A failed request is asked three times, after a short while each.
RETRIES = {"vfs.s3.connect_max_tries": "3", "vfs.s3.connect_scale_factor": "1"}

#: End of the address of the values of X, which are read with the first rows.
X_VALUES = "/a0.tdb"


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
def test_an_s3_read_that_fails_is_tried_again(tiny: Tiny, s3_proxy: Proxy, s3_tiny: str, method: str) -> None:
    s3_proxy.fails(answers(500, "InternalError"), of=X_VALUES, times=2)
    with SomaLoader(s3_tiny, SPEC, method=method, config={**s3_proxy.s3.tiledb, **RETRIES}) as loader:
        assert sorted(i for ids in all_ids(loader) for i in ids) == tiny.obs_joinids.tolist()
    assert sum(line.endswith(X_VALUES) for line in s3_proxy.seen) > 2


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
def test_an_s3_read_that_goes_on_failing_is_raised(s3_proxy: Proxy, s3_tiny: str, method: str) -> None:
    s3_proxy.fails(answers(500, "InternalError"), of=X_VALUES)
    loader = SomaLoader(s3_tiny, SPEC, method=method, config={**s3_proxy.s3.tiledb, **RETRIES})
    start = time.perf_counter()
    with pytest.raises(ReadError, match=rf"^reading {s3_tiny} failed: .*(Failed to read S3 object|InternalError)"):
        list(loader)
    assert time.perf_counter() - start < 30
    assert sum(line.endswith(X_VALUES) for line in s3_proxy.seen) >= 3
    s3_proxy.heal()
    loader.set_epoch(0)
    with loader:
        assert len(all_ids(loader)) == loader.n_batches


@pytest.mark.parametrize(
    "arguments", [{"method": "scipy.csr"}, {"method": "numba"}, {"method": "scipy.csr", "num_workers": 1}], ids=str
)
def test_ctrl_c(tmp_path: Path, arguments: dict) -> None:
    """A program that reads ends soon, with one traceback and no process left."""
    tiny = write_tiny(tmp_path / "experiment", 8000, 400)
    consumer = [sys.executable, str(TESTS / "consumer.py"), tiny.uri, json.dumps(arguments)]
    with subprocess.Popen(
        consumer, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        for _ in range(5):
            assert process.stdout.readline() == "batch\n", process.stderr.read()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1
    # Python's own tracker of resources sees a moment later that its process is no more.
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


@pytest.mark.parametrize("closed", [False, True])
def test_ctrl_c_does_not_wait_for_a_read(s3_proxy: Proxy, s3_tiny: str, closed: bool) -> None:
    """Nothing stops a read of TileDB, be it of a gigabyte or of a server that does not answer."""
    arguments = {"method": "numba", "config": s3_proxy.s3.tiledb, "closed": closed}
    consumer = [sys.executable, str(TESTS / "consumer.py"), s3_tiny, json.dumps(arguments)]
    said, status = interrupted(consumer, s3_proxy)
    assert status == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1


def test_ctrl_c_of_the_command_does_not_wait_for_a_read(s3_proxy: Proxy, s3_tiny: str) -> None:
    command = [sys.executable, "-m", "alb_core.cli", "data-loader", "-m", "numba", *s3_proxy.s3.words, s3_tiny]
    said, status = interrupted(command, s3_proxy)
    assert (said.strip(), status) == ("alb: interrupted", 130)


def interrupted(command: list[str], proxy: Proxy) -> tuple[str, int]:
    """Run a command until it waits for values of X that come in ten minutes, interrupt it, and give what it said."""
    proxy.seen.clear()
    proxy.fails(stalls(600), of=X_VALUES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not any(line.startswith("GET") and line.endswith(X_VALUES) for line in proxy.seen):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    return said, process.returncode
