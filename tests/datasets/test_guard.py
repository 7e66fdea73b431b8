"""Any byte of a dataset that is not what was written: refused before anything is read, on this machine and on S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import dataset
from s3 import S3, Proxy

from alb_core.base.errors import AlbError
from alb_core.datasets import bucket
from alb_core.datasets import guard as module
from alb_core.datasets.bucket import guarded
from alb_core.datasets.guard import guard

KEYS = {"vfs.s3.aws_access_key_id": "testing", "vfs.s3.aws_secret_access_key": "testing"}


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]


@pytest.fixture
def mine(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset; its files count as written long ago."""
    monkeypatch.setattr(module, "_TICK", 0)
    return Path(dataset(data / "soma" / "mine", n_obs=30, n_vars=9).uri)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files that are read."""
    names: list[str] = []
    sha256_of = module.sha256_of
    monkeypatch.setattr(module, "sha256_of", lambda path: names.append(path.name) or sha256_of(path))
    return names


def test_a_flip_of_any_byte_is_refused(mine: Path) -> None:
    files = [path for path in sorted(mine.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    assert guard(mine).n_obs == 30 and len(files) > 10
    for number, path in enumerate(files):
        if not (content := path.read_bytes()):
            continue
        times = path.stat()
        path.write_bytes(flip(content, number * 37 % len(content)))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(AlbError, match="dataset mine has files with other bytes than were written: alb data make"):
            guard(mine)
        path.write_bytes(content)
    assert guard(mine).n_obs == 30


def test_each_file_is_read_once(mine: Path, read: list[str]) -> None:
    guard(mine)
    first = len(read)
    guard(mine)
    assert first > 10 and len(read) == first
    [values] = mine.glob("ms/RNA/X/raw/__fragments/*/a0.tdb")
    values.write_bytes(values.read_bytes())
    guard(mine)
    assert read[first:] == ["a0.tdb"]


def test_what_was_kept_is_never_the_reason_of_a_refusal(mine: Path, data: Path, read: list[str]) -> None:
    guard(mine)
    [kept] = (data / "digests").iterdir()
    for content in (kept.read_text().replace("a", "b"), "[1]", "{", ""):
        kept.write_text(content)
        assert guard(mine).n_obs == 30


def test_where_nothing_can_be_kept_all_is_read_again(mine: Path, data: Path, read: list[str]) -> None:
    (data / "digests").write_text("in the way")
    guard(mine)
    first = len(read)
    guard(mine)
    assert len(read) == 2 * first


def test_a_file_that_was_just_written_is_not_kept(mine: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be written once more within the same tick of the clock, with nothing to tell it by."""
    monkeypatch.setattr(module, "_TICK", 10**12)
    guard(mine)
    first = len(read)
    guard(mine)
    assert len(read) == 2 * first


def test_each_object_is_read_once(mine: Path, s3_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = s3_proxy.behind.upload(mine, "guarded", "once/mine")
    monkeypatch.setattr(bucket, "REMOTE_TICK", -(10**10))  # moto counts whole seconds
    for _ in range(2):
        guarded(uri, {**s3_proxy.s3.tiledb, **KEYS})
        read = [line for line in s3_proxy.seen if line.startswith("GET") and line.endswith(".tdb")]
        assert len(read) == len(set(read)) > 10


def test_a_dataset_on_s3(mine: Path, s3_server: S3) -> None:
    config = {**s3_server.tiledb, **KEYS}
    uri = s3_server.upload(mine, "guarded", "some/mine")
    assert guarded(uri, config) == guard(mine)
    assert guarded(uri + "/obs", config) is None
    client = s3_server.client()
    [values] = mine.glob("ms/RNA/X/raw/__fragments/*/a0.tdb")
    [written] = mine.glob("ms/RNA/X/raw/__commits/*")
    for path, content, words in (
        (values, flip(values.read_bytes(), 40), "has objects with other bytes than were written"),
        (values, values.read_bytes() + b"\0", "has files of other names or sizes"),
        (written, None, r"has \d+ files, its manifest says \d+"),
        (mine / "manifest.json", b"{", "has a manifest.json that cannot be read"),
    ):
        key = f"some/mine/{path.relative_to(mine).as_posix()}"
        if content is None:
            client.delete_object(Bucket="guarded", Key=key)
        else:
            client.put_object(Bucket="guarded", Key=key, Body=content)
        with pytest.raises(AlbError, match=f"dataset {uri} {words}"):
            guarded(uri, config)
        client.put_object(Bucket="guarded", Key=key, Body=path.read_bytes())
    assert guarded(uri, config) == guard(mine)


def test_a_bucket_that_is_not_there(s3_server: S3) -> None:
    assert guarded("s3://guarded-nowhere/mine", {**s3_server.tiledb, **KEYS}) is None
    closed = {**s3_server.tiledb, **KEYS, "vfs.s3.endpoint_override": "127.0.0.1:9"}
    with pytest.raises(
        AlbError, match=r"no SOMA experiment at s3://guarded/mine, or bucket, region or credentials are wrong"
    ):
        guarded("s3://guarded/mine", closed)
