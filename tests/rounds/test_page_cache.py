"""Native libraries leave the page cache and come back before each round."""

import ctypes
import mmap
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.rounds import page_cache
from alb_core.rounds.bench import spawners
from alb_core.rounds.installed_commits import InstalledCommit

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def environment(tmp_path):
    for name in (
        "tiledbsoma/native.cpython-311.so",
        "tiledbsoma/io.py",
        "tiledbsoma.libs/libtiledb-2c1e.so.2.30",
        "tiledb/deep/down/core.so",
        "torch/lib/libtorch.so",
        "tiledbsoma_ml/other.so",
    ):
        path = tmp_path / SITE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(3 * 2**20 + 5))
    (tmp_path / SITE / "tiledbsoma.libs" / "libtiledb.so").symlink_to("libtiledb-2c1e.so.2.30")
    return tmp_path


def cached(path):
    """Share of a file's pages that the system has in memory; unlike a read that does not wait, this brings none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        pages = np.zeros(-(-len(mapped) // mmap.PAGESIZE), np.uint8)
        address = np.frombuffer(mapped, np.uint8).ctypes.data
        if ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(mapped)), pages.ctypes) != 0:
            pytest.skip("this system cannot tell what is cached")
        return float((pages & 1).mean())


def drop(path):
    with path.open("rb") as file:
        page_cache._drop(file.fileno())
    if cached(path) > 0:
        pytest.skip("this file system keeps everything in memory")


def test_it_is_what_the_commit_brings_and_not_what_all_share(environment):
    found = [str(path.relative_to(environment / SITE)) for path in page_cache.libraries(environment)]
    assert sorted(found) == [
        "tiledb/deep/down/core.so",
        "tiledbsoma.libs/libtiledb-2c1e.so.2.30",
        "tiledbsoma/native.cpython-311.so",
    ]


def read_from_disk():
    """Bytes that this process had the storage read."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="only Linux can be told to drop a file")
def test_a_file_that_was_just_written_comes_from_the_disk(environment):
    path = environment / SITE / "tiledbsoma" / "native.cpython-311.so"
    assert cached(path) == 1
    drop(path)
    page_cache.read_anew([path])
    for _ in range(2):
        before = read_from_disk()
        page_cache.read_anew([path])
        assert cached(path) == 1 and read_from_disk() - before >= path.stat().st_size


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="only Linux can be told to drop a file")
def test_a_round_begins_with_them_read_again(environment):
    mine = list(page_cache.libraries(environment))
    shared = environment / SITE / "torch/lib/libtorch.so"
    for path in [*mine, shared]:
        drop(path)
    commit = InstalledCommit("BASE", "main", "a" * 40, SimpleNamespace(path=environment))
    conf = Config()
    conf.launch_method = "spawn"  # which starts nothing before there is a benchmark
    with spawners([commit], conf):
        assert [*map(cached, mine), cached(shared)] == [1, 1, 1, 0]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(AlbError, match=r"gone\.so cannot be read: No such file"):
        page_cache.read_anew([tmp_path / "gone.so"])
