"""Downloads by the real writer from a Census of the tests: whole or not at all, and resumed where they stopped."""

from __future__ import annotations

import hashlib
import json
import math
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from census import ONE, Census, counts, write_census
from s3 import REGION, S3, Proxy, answers, drops, stalls

from alb_core.datasets import download as download_module
from alb_core.datasets.census import opened
from alb_core.datasets.census_cells import cells_from
from alb_core.datasets.download import download, spool_path
from alb_core.datasets.listing import list_datasets
from alb_core.datasets.locate import dataset_path
from alb_core.datasets.manifest import Manifest, load, manifest_at, quick_check
from alb_core.datasets.patience import Patience
from alb_core.datasets.place import X_PATH
from alb_core.datasets.spec import CensusSlice
from alb_core.datasets.verify import verify
from alb_core.errors import AlbError

pytestmark = pytest.mark.e2e

#: The figures that say what a dataset holds.
CONTENT = ("n_obs", "n_vars", "nnz", "x_sum", "x_checksum", "obs_checksum", "var_checksum")
N_VARS = 60
#: So small that the slices of these tests have dozens of parts.
FEW = 500


def slice_of(uri: str, **options: Any) -> CensusSlice:
    given = {"collection_id": ONE, "start": 1, "end": 3, "n_vars": N_VARS, **options}
    return CensusSlice(census_version=None, census_uri=uri, **given)


def downloaded(uri: str, root: Path, **options: Any) -> Path:
    """Download the slice of these tests, without a word and without patience."""
    options = {"name": "mine", "report": lambda line: None, "patience": Patience(()), **options}
    asked = options.pop("asked", None) or slice_of(uri)
    return download(asked, root, **options)


def content(manifest: Manifest) -> tuple[object, ...]:
    return tuple(getattr(manifest, field) for field in CONTENT)


@pytest.fixture(scope="module")
def whole(writers: Path, census: Census, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What the slice of these tests is, downloaded at one go."""
    return load(downloaded(census.uri, tmp_path_factory.mktemp("whole")))


def parts(root: Path) -> list[Path]:
    return sorted(spool_path(root / "mine").glob("part-*.arrow"))


def nothing_counts(root: Path) -> bool:
    return not (root / "mine").exists() and "mine" not in [row.name for row in list_datasets()]


@pytest.mark.parametrize(("layout", "max_nnz"), [("census", FEW), ("soma", 10**9)])
def test_a_download_is_the_slice(writable: Path, census: Census, layout: str, max_nnz: int, whole: Manifest) -> None:
    lines: list[str] = []
    asked = slice_of(census.uri, layout=layout)
    path = download(asked, writable, report=lines.append, max_nnz=max_nnz)
    assert path == writable / "census-benchmark_1:3"
    rows = census.rows(["d2", "d3"], N_VARS)
    empty = 550 - len(rows)
    assert empty > 0
    assert lines[0] == (
        f"downloading census-benchmark_1:3 to {path}: 2 source datasets, 550 cells x 60 vars, from {census.uri}"
    )
    assert lines[1].startswith(
        f"downloaded census-benchmark_1:3: {len(rows)} cells ({empty} without data in these vars left out), "
    )
    with tiledbsoma.Experiment.open(str(path)) as experiment:
        raw = experiment.ms["RNA"].X["raw"]
        assert raw.shape == (len(rows), N_VARS)
        assert raw.schema_config_options().capacity == (65_536 if layout == "census" else 100_000)
        read = raw.read(result_order="row-major").tables().concat()
        x = np.zeros(raw.shape, np.float32)
        x[read["soma_dim_0"], read["soma_dim_1"]] = read["soma_data"]
        assert np.array_equal(x, census.x[rows, :N_VARS])
        obs = experiment.obs.read().concat().sort_by("soma_joinid")
        assert obs["soma_joinid"].to_pylist() == list(range(len(rows)))
        assert obs["census_joinid"].to_pylist() == rows.tolist()
        expected = census.obs.take(pa.array(rows))
        for name in set(census.obs.column_names) - {"soma_joinid"}:
            assert obs[name].to_pylist() == expected[name].to_pylist(), name
        # In the types that the Census has, words of other datasets left out. The cells of d3 lie before those of d2.
        assert pa.types.is_dictionary(obs["cell_type"].type)
        assert obs.schema.field("is_primary_data").type == pa.bool_()
        assert obs["dataset_id"].chunk(0).dictionary.to_pylist() == ["d3", "d2"]
        var = experiment.ms["RNA"].var.read().concat()
        assert var["feature_name"].to_pylist() == census.var["feature_name"].to_pylist()[:N_VARS]
    manifest = verify(str(path))
    assert manifest.kind == "census"
    assert manifest.spec == {
        **asked.as_json(),
        "fragments": 1,
        "census_build_date": "2026-01-02",
        "dataset_ids": ["d2", "d3"],
    }
    assert (manifest.n_obs, manifest.nnz) == (len(rows), int((x != 0).sum()))
    assert manifest.x_sum == int(x.sum(dtype=np.float64))
    assert manifest.writer["tiledbsoma"] == "1.7.3"
    # One or dozens of parts, one layout or the other: the same content.
    assert content(manifest) == content(whole)
    assert not list(writable.glob(".*.download"))
    assert not list(writable.glob(".*.partial-*"))


def test_vars_beyond_the_last_are_not_missed(writable: Path, census: Census) -> None:
    path = downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=20_000, start=0, end=1))
    assert (load(path).n_vars, load(path).n_obs) == (120, len(census.rows(["d1"], 120)))


def test_downloads_are_found_by_name_and_by_path(
    writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = downloaded(census.uri, writable)
    (writable / "soma" / "other").mkdir(parents=True)
    assert dataset_path("mine") == dataset_path(str(path)) == path
    monkeypatch.chdir(writable)
    assert dataset_path("./mine") == dataset_path("../data/mine/") == path
    assert dataset_path("other") == writable / "soma" / "other"
    assert verify("mine") == verify(str(path)) == manifest_at(path)
    assert manifest_at(writable / "soma" / "other") is None
    assert [(row.name, row.cells, row.state) for row in list_datasets()][-1] == ("mine", load(path).n_obs, "ready")
    (path / "obs" / "stray").touch()
    repair = rf"alb download -s 1 -e 3 -c {ONE} -v 60 -u {census.uri} -n mine -f makes it again$"
    for refuse in (lambda: verify("mine"), lambda: quick_check(path)):
        with pytest.raises(AlbError, match=repair):
            refuse()
    elsewhere = path.rename(writable / "soma" / "mine")
    with pytest.raises(AlbError, match=f"-n mine -d {writable / 'soma'} -f makes it again"):
        quick_check(elsewhere)


def test_values_need_not_be_whole(writable: Path, tmp_path: Path) -> None:
    x = counts(1_100, 30) / np.float32(3)
    # So many cells without data, one after another, that a whole part is empty.
    x[50:200] = 0
    census = write_census(tmp_path / "census", 30, x)
    path = downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=30), max_nnz=50)
    manifest = verify(str(path))
    assert manifest.x_sum == math.fsum(x[np.isin(census.dataset_of, ["d2", "d3"])].ravel().tolist())
    assert isinstance(manifest.x_sum, float)


def test_a_slice_without_data_is_told(writable: Path, tmp_path: Path) -> None:
    x = counts(1_100, 30)
    x[:, :3] = 0
    census = write_census(tmp_path / "census", 30, x)
    with pytest.raises(AlbError, match="no cell of d2, d3 has data in the first 3 vars of"):
        downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=3), max_nnz=FEW)
    assert nothing_counts(writable)
    assert not list(writable.glob(".mine.download"))


def test_obs_is_written_in_many_fragments_where_it_is_large(
    writable: Path, census: Census, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_OBS_ROWS", 100)
    path = downloaded(census.uri, writable, max_nnz=FEW)
    assert len(list((path / "obs" / "__fragments").iterdir())) > 3
    assert content(verify(str(path))) == content(whole)


# What is there already


def test_what_is_there_is_refused_then_replaced(writable: Path, census: Census) -> None:
    first = load(downloaded(census.uri, writable))
    with pytest.raises(AlbError, match=r"mine is there, with the same options: -f replaces it"):
        downloaded(census.uri, writable)
    other = slice_of(census.uri, start=0)
    with pytest.raises(AlbError, match=r"mine is there, with start 1 \(not 0\): -f replaces it"):
        downloaded(census.uri, writable, asked=other)
    assert quick_check(writable / "mine") == first
    assert load(downloaded(census.uri, writable, asked=other, force=True)).n_obs > first.n_obs
    assert not list(writable.glob(".mine.partial-*"))
    (writable / "mine" / "obs" / "stray").touch()
    with pytest.raises(AlbError, match="mine is there, but is damaged: -f replaces it"):
        downloaded(census.uri, writable)
    assert content(load(downloaded(census.uri, writable, force=True))) == content(first)


def test_a_replacement_that_fails_keeps_the_old_dataset(writable: Path, census: Census, tmp_path: Path) -> None:
    first = load(downloaded(census.uri, writable))
    broken = write_census(tmp_path / "census", 30, counts(1_100, 30) * np.float32(np.nan))
    with pytest.raises(AlbError, match="not finite"):
        downloaded(broken.uri, writable, force=True)
    assert verify("mine") == first


# Faults


def test_s3_gives_the_same(writable: Path, s3_server: S3, s3_census: str, whole: Manifest) -> None:
    path = downloaded(s3_census, writable, config=s3_server.tiledb, max_nnz=FEW)
    assert content(verify(str(path))) == content(whole)
    assert load(path).spec["census_uri"] == s3_census


def test_a_published_version(
    writable: Path, s3_server: S3, s3_census: str, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Census's own way from a version to an address, with a directory of versions of the tests."""
    serve_versions(s3_server, monkeypatch)
    config = {key: value for key, value in s3_server.tiledb.items() if key != "vfs.s3.region"}
    asked = CensusSlice(1, 3, collection_id=ONE, n_vars=N_VARS, census_version="2026-01-02")
    path = downloaded("", writable, asked=asked, config=config)
    assert content(load(path)) == content(whole)
    assert (load(path).spec["census_version"], load(path).spec["census_uri"]) == ("2026-01-02", None)


def serve_versions(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    client = s3.client()
    client.create_bucket(Bucket="versions")
    place = {"relative_uri": "/census", "s3_region": REGION}
    files = {
        "release.json": {
            "2026-01-02": {"release_date": None, "release_build": "2026-01-02", "soma": place, "h5ads": place}
        },
        "mirrors.json": {
            "default": "here",
            "here": {"provider": "S3", "base_uri": "s3://census-bucket", "region": REGION},
        },
    }
    for name, body in files.items():
        client.put_object(Bucket="versions", Key=name, Body=json.dumps(body).encode(), ACL="public-read")
    for constant, name in (("RELEASE", "release.json"), ("MIRRORS", "mirrors.json")):
        address = f"http://{s3.endpoint}/versions/{name}"
        suffix = "_DIRECTORY_URL"
        monkeypatch.setattr(f"cellxgene_census._release_directory.CELL_CENSUS_{constant}{suffix}", address)


X_FILES = "raw/__fragments"


def uncached(s3: S3, **options: str) -> dict[str, str]:
    """Options under which each batch asks S3 again: by default TileDB reads so small a Census ahead."""
    return {**s3.tiledb, "vfs.read_ahead_cache_size": "0", "vfs.s3.connect_max_tries": "2", **options}


def cells_read(uri: str, config: dict[str, str], patience: Patience) -> list[float]:
    """Values of the tests' slice, read without being written."""
    with opened(slice_of(uri), config, patience) as chosen:
        return [value for cells in cells_from(chosen, 0, patience, 2_000) for value in cells.values.tolist()]


def cells_held(census: Census) -> list[float]:
    """The same from the truth."""
    x = census.x[census.rows(["d2", "d3"], N_VARS), :N_VARS]
    return x[x != 0].tolist()


@pytest.mark.parametrize("fault", [answers(500, "InternalError"), drops, stalls(0.5)])
def test_a_passing_fault_is_sat_out(
    s3_proxy: Proxy, census: Census, s3_census: str, fault: Callable[..., bool]
) -> None:
    """TileDB repeats single requests itself."""
    s3_proxy.fails(fault, of=X_FILES, times=3, after=15)
    config = uncached(s3_proxy.s3, **{"vfs.s3.connect_max_tries": "5"})
    assert cells_read(s3_census, config, Patience(())) == cells_held(census)


def test_a_longer_fault_is_sat_out_too(
    s3_proxy: Proxy, census: Census, s3_census: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """More 500s than TileDB repeats a request."""
    s3_proxy.fails(answers(500, "InternalError"), of=X_FILES, times=40, after=15)
    assert cells_read(s3_census, uncached(s3_proxy.s3), Patience([0.01] * 40)) == cells_held(census)
    assert f"alb: reading {s3_census} failed, again in 0.01 s: " in capfd.readouterr().err


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
    assert message.startswith(f"cannot read {s3_census}: ")
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
    code = f"import sys; import alb_core.datasets.download as d; d.download.__kwdefaults__['max_nnz'] = {FEW}\n"
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


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if condition():
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"it never came to that: {process.communicate()}")


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on_where_it_stopped(
    writable: Path, s3_proxy: Proxy, s3_census: str, whole: Manifest, death: signal.Signals
) -> None:
    s3_proxy.fails(stalls(0.05), of=X_FILES, after=9)
    process = alb_download(s3_census, uncached(s3_proxy.s3))
    until(lambda: len(parts(writable)) >= 3, process)
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
    until(lambda: list(writable.glob(".mine.partial-*")), process)
    process.kill()
    process.communicate()
    assert nothing_counts(writable)
    kept = {path: path.stat().st_mtime_ns for path in parts(writable)}
    again = alb_download(census.uri, {})
    until(lambda: list(writable.glob(f".mine.partial-{again.pid}")), again)
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


def interrupted(census: Census, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the parts of a download whose writing has failed."""
    with monkeypatch.context() as patched:
        patched.setattr(download_module, "_write", lambda *_: (_ for _ in ()).throw(AlbError("no writing today")))
        with pytest.raises(AlbError, match="no writing today"):
            downloaded(census.uri, root, max_nnz=FEW)
    assert len(parts(root)) > 3


@pytest.mark.parametrize("read_before", [False, True])
def test_a_full_disk_is_one_line_and_what_is_read_stays(
    writable: Path, census: Census, whole: Manifest, read_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files refuses a write as a full disk does: a part, or one of the experiment's files."""
    if read_before:
        interrupted(census, writable, monkeypatch)
    process = alb_download(census.uri, {}, RLIMIT_FSIZE=2_000)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "could not write" in err if read_before else re.search("cannot write .*part-000000.arrow: File too", err)
    assert nothing_counts(writable)
    assert bool(parts(writable)) == read_before
    assert not list(writable.glob(".mine.partial-*"))
    if read_before:
        assert content(load(downloaded(census.uri, writable, max_nnz=FEW))) == content(whole)


def test_parts_of_another_download_are_not_taken(
    writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(census, writable, monkeypatch)
    asked = slice_of(census.uri, n_vars=120)
    with pytest.raises(AlbError, match=r"another download of this name \(n_vars 60 \(not 120\).*: -f drops it"):
        downloaded(census.uri, writable, asked=asked)
    assert len(parts(writable)) > 3
    assert load(downloaded(census.uri, writable, asked=asked, force=True)).n_vars == 120


def test_parts_that_a_removal_has_left_are_not_taken(
    writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it removed the parts: they are of nobody knows what."""
    interrupted(census, writable, monkeypatch)
    (spool_path(writable / "mine") / "request.json").unlink()
    lines: list[str] = []
    asked = slice_of(census.uri, start=0, end=1)
    path = downloaded(census.uri, writable, asked=asked, report=lines.append)
    assert "read before" not in lines[0]
    assert load(path).n_obs == len(census.rows(["d1"], N_VARS))


@pytest.mark.parametrize("what", ["x", "obs", "torn"])
def test_a_damaged_part_is_read_again(
    writable: Path, census: Census, whole: Manifest, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(census, writable, monkeypatch)
    part = parts(writable)[2]
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


def test_the_same_cells_are_the_same_bytes(writable: Path, census: Census) -> None:
    """However they came to the writer: X has the same files after one part and after dozens."""
    digests = []
    for max_nnz in (FEW, 10**9):
        path = downloaded(census.uri, writable, max_nnz=max_nnz, force=True)
        files = sorted((path / X_PATH / "__fragments").glob("*/[ad]*.tdb"))
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert len(digests[0]) == 3
    assert digests[0] == digests[1]
