"""Downloads that meet faults: of S3, of the disk, of whoever ends them; for real."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from census import ONE, Census
from command import until
from s3 import S3, Proxy, answers, drops, stalls
from slices import FEW, N_VARS, content, downloaded, nothing_counts, parts, slice_of

from alb_core.base.errors import AlbError
from alb_core.datasets.census import download as download_module
from alb_core.datasets.census.cells import cells_from
from alb_core.datasets.census.census import opened
from alb_core.datasets.census.download import parts_path
from alb_core.datasets.manifest import Manifest, load
from alb_core.datasets.retry import Retry
from alb_core.datasets.verify import verify

pytestmark = pytest.mark.e2e


X_FILES = "raw/__fragments"


def uncached(s3: S3, **options: str) -> dict[str, str]:
    """Options under which each batch asks S3 again: by default TileDB reads so small a Census ahead."""
    return {**s3.tiledb, "vfs.read_ahead_cache_size": "0", "vfs.s3.connect_max_tries": "2", **options}


def cells_read(uri: str, config: dict[str, str], retry: Retry) -> list[float]:
    """Values of the tests' slice, read without being written."""
    with opened(slice_of(uri), config, retry) as chosen:
        return [value for cells in cells_from(chosen, 0, retry, 2_000) for value in cells.values.tolist()]


def cells_held(census: Census) -> list[float]:
    """The same from the truth."""
    x = census.x[census.rows(["d2", "d3"], N_VARS), :N_VARS]
    return x[x != 0].tolist()


def test_a_passing_fault_is_sat_out(
    s3_proxy: Proxy, census: Census, s3_census: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """More 500s than TileDB repeats a request."""
    s3_proxy.fails(answers(500, "InternalError"), of=X_FILES, times=40, after=15)
    assert cells_read(s3_census, uncached(s3_proxy.s3), Retry([0.01] * 40)) == cells_held(census)
    err = capfd.readouterr().err
    assert f"alb: reading {s3_census}/census_data/homo_sapiens/ms/RNA/X/raw failed, again in 0.01 s: " in err


@pytest.mark.parametrize(
    ("fault", "of", "after", "words"),
    [
        (answers(500, "InternalError"), X_FILES, 60, "500"),
        (answers(404, "NoSuchKey"), X_FILES, 60, "404"),
        (answers(404, "NoSuchKey"), "homo_sapiens/obs/__fragments", 0, "Error opening array: .*homo_sapiens/obs"),
        (drops, X_FILES, 60, "206"),
    ],
)
def test_a_lasting_fault_is_one_line_and_nothing_counts(
    writable: Path,
    s3_proxy: Proxy,
    s3_census: str,
    fault: Callable[..., bool],
    of: str,
    after: int,
    words: str,
) -> None:
    s3_proxy.fails(fault, of=of, after=after)
    with pytest.raises(AlbError) as caught:
        downloaded(s3_census, writable, config=uncached(s3_proxy.s3), max_nnz=FEW)
    message = str(caught.value)
    assert message.startswith(f"cannot read {s3_census}")  # or an array of it
    assert re.search(words, message)
    assert "\n" not in message
    assert nothing_counts(writable)
    assert bool(parts(writable)) == bool(after), "what was read before the fault is kept"


def test_what_is_not_public_takes_a_signature(writable: Path, s3_server: S3, census: Census, whole: Manifest) -> None:
    uri = s3_server.upload(census.path, "private-bucket", "census", public=False)
    with pytest.raises(AlbError, match=r"Response Code: 403.*--tiledb vfs.s3.no_sign_request=false signs them"):
        downloaded(uri, writable, config=s3_server.tiledb)
    config = {**s3_server.tiledb, "vfs.s3.no_sign_request": "false"}
    assert content(load(downloaded(uri, writable, config=config))) == content(whole)


# Interruptions


def alb_download(uri: str, config: dict[str, str], **limits: int) -> subprocess.Popen[str]:
    """``alb download`` of the tests' slice in a process of its own, a few cells at a time."""
    words = ["download", "-u", uri, "-c", ONE, "-s", "1", "-e", "3", "-v", str(N_VARS), "-n", "mine"]
    words += [word for item in config.items() for word in ("--tiledb", "=".join(item))]
    code = f"import sys; import alb_core.datasets.census.download as d; d.download.__kwdefaults__['max_nnz'] = {FEW}\n"
    code += "from alb_core.cli.main import main; main(sys.argv[1:])"

    def limited() -> None:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on_where_it_stopped(
    writable: Path, s3_proxy: Proxy, s3_census: str, whole: Manifest, death: signal.Signals
) -> None:
    s3_proxy.fails(stalls(0.05), of=X_FILES, after=9)
    process = alb_download(s3_census, uncached(s3_proxy.s3))
    assert until(lambda: process.poll() is not None or len(parts(writable)) >= 3, 60)
    process.send_signal(death)
    _, said = process.communicate(timeout=60)
    if death == signal.SIGINT:
        assert process.returncode == 130, said
        kept, last = filter(None, said.splitlines())
        assert kept.endswith("cells are read: the same command goes on from there")
        assert last == "alb: interrupted"
    assert nothing_counts(writable)
    assert len(parts(writable)) >= 3
    s3_proxy.heal()
    s3_proxy.seen.clear()
    lines: list[str] = []
    path = downloaded(s3_census, writable, config=s3_proxy.s3.tiledb, max_nnz=FEW, report=lines.append)
    assert " of them read before x 60 vars" in lines[0]
    assert content(verify(str(path))) == content(whole)
    assert not list(writable.glob(".mine.download"))


def test_a_download_that_is_killed_while_it_writes_reads_nothing_again(
    writable: Path, census: Census, whole: Manifest
) -> None:
    process = alb_download(census.uri, {})
    assert until(lambda: process.poll() is not None or list(writable.glob(".mine.partial-*")), 60)
    process.kill()
    process.communicate()
    assert nothing_counts(writable)
    kept = {path: path.stat().st_mtime_ns for path in parts(writable)}
    again = alb_download(census.uri, {})
    assert until(lambda: again.poll() is not None or list(writable.glob(f".mine.partial-{again.pid}")), 60)
    assert {path: path.stat().st_mtime_ns for path in parts(writable)} == kept
    out, _ = again.communicate(timeout=60)
    assert "550 of them read before" in out
    assert again.returncode == 0
    assert content(verify("mine")) == content(whole)
    assert sorted(path.name for path in writable.glob(".mine.*")) == [".mine.lock"]


def test_two_at_once_download_once(writable: Path, census: Census, whole: Manifest) -> None:
    both = [alb_download(census.uri, {}) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    (lost,) = (err for (_, err), process in zip(said, both, strict=True) if process.returncode)
    assert lost.splitlines()[-1].startswith(f"alb: {writable / 'mine'} is there, with the same options: -f")
    assert content(verify("mine")) == content(whole)


@pytest.fixture
def left(writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Parts of a download whose writing has failed."""
    with monkeypatch.context() as patched:
        patched.setattr(download_module, "_write", lambda *_: (_ for _ in ()).throw(AlbError("no writing today")))
        with pytest.raises(AlbError, match="no writing today"):
            downloaded(census.uri, writable, max_nnz=FEW)
    assert len(parts(writable)) > 3
    return parts(writable)


@pytest.mark.parametrize("read_before", [False, True])
def test_a_full_disk_is_one_line_and_what_is_read_stays(
    writable: Path, census: Census, whole: Manifest, read_before: bool, request: pytest.FixtureRequest
) -> None:
    """A limit on the size of files refuses a write as a full disk does: a part, or one of the experiment's files."""
    if read_before:
        request.getfixturevalue("left")
    process = alb_download(census.uri, {}, RLIMIT_FSIZE=2_000)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "could not write" in err if read_before else re.search("cannot write .*part-000000.arrow: File too", err)
    assert nothing_counts(writable)
    assert bool(parts(writable)) == read_before
    assert not list(writable.glob(".mine.partial-*"))
    if read_before:
        lines: list[str] = []
        assert content(load(downloaded(census.uri, writable, max_nnz=FEW, report=lines.append))) == content(whole)
        assert "550 of them read before" in lines[0]


def test_parts_of_another_download_are_not_taken(writable: Path, census: Census, left: list[Path]) -> None:
    asked = slice_of(census.uri, n_vars=120)
    with pytest.raises(AlbError, match=r"another download of this name \(n_vars 60 \(not 120\).*: -f drops it"):
        downloaded(census.uri, writable, asked=asked)
    request = parts_path(writable / "mine") / "request.json"
    request.write_text("{")
    with pytest.raises(AlbError, match=r"request.json is no request of a download .*: -f drops it, -n gives this one"):
        downloaded(census.uri, writable, asked=asked)
    assert parts(writable) == left
    assert load(downloaded(census.uri, writable, asked=asked, force=True)).n_vars == 120


def test_parts_that_a_removal_has_left_are_not_taken(writable: Path, census: Census, left: list[Path]) -> None:
    """Killed while it removed the parts: nobody knows what they are of."""
    (left[0].parent / "request.json").unlink()
    lines: list[str] = []
    asked = slice_of(census.uri, start=0, end=1)
    path = downloaded(census.uri, writable, asked=asked, report=lines.append)
    assert "read before" not in lines[0]
    assert load(path).n_obs == len(census.rows(["d1"], N_VARS))


@pytest.mark.parametrize("what", ["x", "obs", "torn"])
def test_a_damaged_part_is_read_again(
    writable: Path, census: Census, whole: Manifest, what: str, left: list[Path]
) -> None:
    part = left[2]
    if what == "torn":
        part.write_bytes(part.read_bytes()[:500])
    else:
        alter(part, "x values" if what == "x" else "raw_sum")
        with pytest.raises(AlbError, match=r"part-000002.arrow was damaged and is removed .*: the same command reads"):
            downloaded(census.uri, writable, max_nnz=FEW)
        assert nothing_counts(writable)
    path = downloaded(census.uri, writable, max_nnz=FEW)
    assert content(verify(str(path))) == content(whole)


def alter(part: Path, name: str) -> None:
    """Give the first value of a column of a part another one; nothing else shows it."""
    with pa.OSFile(str(part)) as file:
        table = pa.ipc.open_file(file).read_all()
    column = table.column(name).combine_chunks()
    lists = isinstance(column, pa.ListArray)
    values = (column.values if lists else column).to_numpy(zero_copy_only=False).copy()
    values[0] += 1
    array = pa.ListArray.from_arrays(column.offsets, pa.array(values)) if lists else pa.array(values)
    table = table.set_column(table.schema.get_field_index(name), name, array)
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
