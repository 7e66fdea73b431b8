"""Copies for shuffled row reads, written by the real writer: whole or not at all, and the same as their source."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import namedtuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from command import ALB, environment
from making import gone, leftovers, silent, writer_at
from s3 import S3
from slices import content
from tiny import Tiny, coordinates, joinids, write_tables, write_tiny

from alb_core.base.errors import AlbError
from alb_core.datasets.find import list_datasets
from alb_core.datasets.manifest import MANIFEST_NAME, X_PATH, load, origin
from alb_core.datasets.retile import retile as module
from alb_core.datasets.retile.retile import retile
from alb_core.datasets.spec import RowLayout, Spec
from alb_core.datasets.synthetic.make import make
from alb_core.datasets.verify import verify
from alb_core.datasets.writer.environment import ensure_writer, writing_release
from alb_core.loader.block_spec import parse_one
from alb_core.loader.dataset import SomaLoader

pytestmark = pytest.mark.e2e

SOURCE = Spec(cells=300, vars=200)

READ_AT_THE_FLOOR = """
import sys, tiledbsoma
with tiledbsoma.Experiment.open(sys.argv[1]) as experiment:
    x = experiment.ms["RNA"].X["raw"].read().tables().concat()
    print(tiledbsoma.__version__, len(x), int(x["soma_data"].to_numpy().sum()), experiment.obs.count)
"""


def test_a_copy_is_the_dataset_in_another_layout(writable: Path) -> None:
    source = make("mine", SOURCE, report=silent)
    lines: list[str] = []
    copy = retile("mine", "copy", RowLayout(2_048, 3), report=lines.append)
    path = writable / "soma" / "copy"
    assert verify("copy") == copy == load(path)
    assert content(copy) == content(source)
    assert copy.kind == "retiled"
    assert copy.spec["source"] == "mine"
    assert origin(copy) == ("mine", "synthetic", SOURCE.as_json())
    assert copy.writer["tiledbsoma"] == writing_release().version
    assert [line.split()[0] for line in lines] == ["retiling", "retiled"]
    assert [row.layout for row in list_datasets() if row.name == "copy"] == ["rows"]
    assert len(list((path / X_PATH / "__fragments").iterdir())) == 3
    with tiledbsoma.Experiment.open(str(path)) as experiment:
        options = experiment.ms["RNA"].X["raw"].schema_config_options()
        obs = experiment.obs.read().concat()
    tiles = {name: one["tile"] for name, one in json.loads(options.dims).items()}
    assert (options.capacity, options.cell_order, tiles) == (
        2_048,
        "row-major",
        {"soma_dim_0": "64", "soma_dim_1": str(SOURCE.vars)},
    )
    with tiledbsoma.DataFrame.open(str(writable / "soma" / "mine" / "obs")) as frame:
        assert obs.sort_by("soma_joinid").equals(frame.read().concat().sort_by("soma_joinid"))

    command = [str(ensure_writer()), "-I", "-c", READ_AT_THE_FLOOR, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [writing_release().version, str(source.nnz), str(source.x_sum), str(source.n_obs)]

    loaded = 0.0
    with SomaLoader(path, parse_one("4x16"), batch_size=50) as loader:
        for x, _ in loader:
            loaded += float(x.sum(dtype=None))
    assert loaded == source.x_sum

    again = retile("copy", "copy-of-copy", report=silent)
    assert origin(again) == origin(copy)
    assert (again.spec["source"], again.spec["capacity"]) == ("copy", RowLayout().capacity)


def test_any_experiment_is_copied_whole(writable: Path, tmp_path: Path) -> None:
    """Gaps in the joinids, a layer of another type, nulls in columns of all kinds, empty rows, what has no place."""
    obs = pa.table(
        {
            "soma_joinid": pa.array([0, 2, 3, 130], pa.int64()),
            "word": pa.array(["b", None, "a", "b"], pa.large_string()).dictionary_encode(),
            "text": pa.array(["é", None, "", "x"], pa.large_string()),
            "flag": pa.array([True, None, False, True]),
            "count": pa.array([1, None, 3, 4], pa.int32()),
            "part": pa.array([0.5, None, 1.5, 2.5], pa.float32()),
        }
    )
    var = pa.table({"soma_joinid": pa.array([1, 5], pa.int64()), "feature_id": ["g1", "g5"]})
    raw = coordinates([130, 0, 3], [1, 5, 1], [7, 2**30, -1], pa.int32())
    other = coordinates([3, 0], [1, 5], [0.1, 1 / 3], pa.float64())
    path = write_tables(tmp_path / "mine", obs, var, raw, more={"normalized": other})
    with tiledbsoma.Experiment.open(path, "w") as experiment:
        experiment.add_new_collection("uns").close()
    lines: list[str] = []
    copy = retile(path, "copy", report=lines.append)
    assert verify("copy") == copy
    assert (copy.spec["source"], origin(copy), copy.n_obs, copy.nnz) == (path, None, 4, 3)
    assert lines[1] == "left out, since a dataset has no place for it: uns"
    with tiledbsoma.Experiment.open(str(writable / "soma" / "copy")) as experiment:
        assert experiment.obs.read().concat().to_pydict() == obs.to_pydict()
        assert pa.types.is_dictionary(experiment.obs.schema.field("word").type)
        assert experiment.ms["RNA"].var.read().concat().to_pydict() == var.to_pydict()
        for name, table in (("raw", raw), ("normalized", other)):
            x = experiment.ms["RNA"].X[name]
            read = x.read().tables().concat()
            assert read.schema.field("soma_data").type == table.schema.field("soma_data").type
            assert read.sort_by("soma_dim_0").to_pydict() == table.sort_by("soma_dim_0").to_pydict()


def test_another_measurement_and_layer(writable: Path, tmp_path: Path) -> None:
    """As tiledbsoma.io makes of an h5ad: X/data. The copy has it where benchmarks look, and says how to repeat it."""
    path = write_tables(
        tmp_path / "mine",
        joinids(2),
        joinids(3),
        coordinates([1], [2], [5]),
        "data",
        {"raw": coordinates([0], [0], [1])},
    )
    with tiledbsoma.Experiment.open(path, "w") as experiment:
        experiment.ms.set("peaks", tiledbsoma.Measurement.open(f"{path}/ms/RNA"), use_relative_uri=True)
    lines: list[str] = []
    copy = retile(path, "copy", report=lines.append, measurement="peaks", layer="data")
    assert verify("copy") == copy and copy.x_sum == 5
    assert lines[1:3] == [
        "X/data of measurement peaks becomes X/raw of RNA",
        "left out, since a dataset has no place for it: ms/RNA, ms/peaks/X/raw",
    ]
    (writable / "soma" / "copy" / "more").write_bytes(b"")
    with pytest.raises(AlbError, match=r"alb data retile .* copy --measurement peaks --layer data --replace makes it"):
        verify("copy")


def test_an_experiment_on_s3(writable: Path, tiny_without_gaps: Tiny, s3_server: S3) -> None:
    uri = s3_server.upload(Path(tiny_without_gaps.uri), "retile", "some/tiny")
    copy = retile(uri, "copy", report=silent, config=s3_server.tiledb)
    assert verify("copy") == copy
    assert (copy.spec["source"], copy.x_sum) == (uri, int(tiny_without_gaps.x.sum(dtype=np.float64)))


def test_a_layer_that_was_altered_is_found(writable: Path, tmp_path: Path) -> None:
    """Of X besides raw, too; and a source that is not what its manifest says is not copied."""
    one = coordinates([0], [0], [1])
    joinids = pa.table({"soma_joinid": pa.array([0, 1], pa.int64())})
    path = write_tables(tmp_path / "mine", joinids, joinids, one, more={"other": one})
    retile(path, "copy", report=silent)
    file = writable / "soma" / "copy" / MANIFEST_NAME
    manifest = json.loads(file.read_text())
    manifest["spec"]["layers"]["other"] = "0" * 16
    file.write_text(json.dumps(manifest))
    with pytest.raises(AlbError, match=r"has X/other of checksum .*: alb data retile .*mine copy --replace makes it"):
        verify("copy")
    manifest["x_checksum"] = "0" * 16
    file.write_text(json.dumps(manifest))
    with pytest.raises(AlbError, match=r"dataset copy has x_checksum .*, its manifest says 0{16}"):
        retile("copy", "copy-of-copy", report=silent)
    assert leftovers(writable) == []
    assert not (writable / "soma" / "copy-of-copy").exists()


def test_a_copy_that_reads_otherwise_is_not_kept(
    writable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is asked for something else than what was counted."""
    write_tiny(tmp_path / "mine", 20, 10)
    wrong = lambda batches: (batch.slice(1) for batch in batches)  # noqa: E731
    write = module.write_experiment
    monkeypatch.setattr(module, "write_experiment", lambda at, shape, x, *a, **k: write(at, shape, wrong(x), *a, **k))
    with pytest.raises(AlbError, match=r"is not what was read, and is not kept: .* has nnz"):
        retile(str(tmp_path / "mine"), "copy", report=silent)
    assert leftovers(writable) == []
    assert not (writable / "soma" / "copy").exists()


def test_killed_and_typed_again(writable: Path, tmp_path: Path) -> None:
    made = write_tiny(tmp_path / "mine", 3_000, 400, gaps=False)
    words = [*ALB, "data", "retile", made.uri, "copy"]
    process = subprocess.Popen(words, env=environment(writable), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer = writer_at(process, writable, ".copy.partial-*/ms/RNA/X/raw")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(writer), "the writer outlives its maker"
    assert leftovers(writable) != []
    assert not (writable / "soma" / "copy").exists()
    assert "copy" not in [row.name for row in list_datasets()]
    retile(made.uri, "copy", report=silent)
    assert leftovers(writable) == []
    first = verify("copy")
    retile(made.uri, "copy", RowLayout(1_024), report=silent, replace=True)
    assert verify("copy").x_checksum == first.x_checksum
    assert load(writable / "soma" / "copy").spec["capacity"] == 1_024


Usage = namedtuple("Usage", "total used free")


def test_a_disk_without_room_is_told_before_anything_is_written(
    writable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_tiny(tmp_path / "mine", 20, 10)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(10, 10, 0))
    with pytest.raises(AlbError, match=r"copy takes about \d+ MB, and .*soma has 0 MB left: make room"):
        retile(made.uri, "copy", report=silent)
    assert not np.any([path.name.startswith("copy") for path in (writable / "soma").iterdir()])
