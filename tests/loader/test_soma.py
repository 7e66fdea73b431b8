from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from tiny import Tiny, joinids, write_tables

from alb_core.base.checksum import Totals, dense_checksum
from alb_core.base.errors import AlbError
from alb_core.cases import chunk_readers
from alb_core.loader import order, soma

#: One buffer holds a tenth of the tiny experiment or all of it.
SMALL, LARGE = 8 * 1024, 2**20


@pytest.fixture
def experiment(tiny: Tiny):
    with soma.open_experiment(tiny.uri, soma_buffer_size=LARGE, py_buffer_size=LARGE) as opened:
        yield opened


@pytest.fixture
def x(experiment):
    return experiment.ms["RNA"].X["raw"]


def test_joinids(experiment, tiny: Tiny) -> None:
    assert soma.joinids(experiment.obs).tolist() == tiny.obs_joinids.tolist()
    assert soma.joinids(experiment.ms["RNA"].var).tolist() == tiny.var_joinids.tolist()
    assert soma.joinids(experiment.obs).dtype == np.int64


def test_as_coords() -> None:
    assert soma.as_coords(np.array([4, 5, 6])) == slice(4, 6)
    assert soma.as_coords(np.array([4])) == slice(4, 4)
    for ids in ([4, 6], [6, 5, 4], [4, 6, 5, 7], [0, 2, 2, 3], []):
        assert soma.as_coords(np.array(ids, dtype=np.int64)).tolist() == ids


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("shuffle", order.CHUNK_SHUFFLES)
@pytest.mark.parametrize("reader", chunk_readers.READERS)
def test_readers_read_everything_once(tiny: Tiny, reader: str, shuffle: str, size: int) -> None:
    with soma.open_experiment(tiny.uri, soma_buffer_size=size, py_buffer_size=size) as experiment:
        x = experiment.ms["RNA"].X["raw"]
        chunks = order.chunks(tiny.obs_joinids, 64, shuffle)
        result = chunk_readers.read_epoch(x, chunks, reader, check=True)
    assert (result.n_batches, result.totals) == (11, tiny.totals)
    assert 0 < result.first_done < result.elapsed


@pytest.mark.parametrize("reader", chunk_readers.READERS)
def test_readers_read_only_the_vars_asked_for(x, tiny: Tiny, reader: str) -> None:
    first = tiny.var_joinids[:40]
    some = tiny.var_joinids[::7][::-1].copy()
    for selection, ids in ((slice(0, int(first[-1])), first), (some, some)):
        wanted = tiny.x[:, tiny.columns(ids)]
        result = chunk_readers.read_epoch(x, [tiny.obs_joinids], reader, selection, check=True)
        checksum = dense_checksum(wanted, tiny.obs_joinids, ids)
        assert result.totals == Totals(700, np.count_nonzero(wanted), wanted.sum(dtype=np.float64), checksum)


@pytest.mark.parametrize("reader", chunk_readers.READERS)
def test_chunks_without_values(x, tiny: Tiny, reader: str) -> None:
    empty = tiny.obs_joinids[[0, 97, 194]]
    result = chunk_readers.read_epoch(x, [empty], reader, check=True)
    assert result.totals == Totals(3, 0, 0.0, 0)


def test_readers_yield_what_tiledbsoma_gives(x, tiny: Tiny) -> None:
    kinds = {"table": pa.Table, "blockwise_table": pa.Table}
    kinds |= {"blockwise_scipy_coo": sp.coo_matrix, "blockwise_scipy_csr": sp.csr_matrix}
    assert kinds.keys() == chunk_readers.READERS.keys()
    for reader, kind in kinds.items():
        (piece,) = chunk_readers.READERS[reader](x, tiny.obs_joinids[:50], tiny.var_joinids)
        assert isinstance(piece.data, kind)
        assert (piece.axes is None) == (reader == "table")


def test_a_small_buffer_gives_several_tables(tiny: Tiny) -> None:
    with soma.open_experiment(tiny.uri, soma_buffer_size=SMALL) as experiment:
        x = experiment.ms["RNA"].X["raw"]
        assert len(list(chunk_readers.READERS["table"](x, tiny.obs_joinids, None))) > 1
        assert soma.read_table(x, tiny.obs_joinids, None).num_rows == np.count_nonzero(tiny.x)


def test_the_pass_holds_one_piece_at_a_time(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    seen: list[weakref.ref] = []

    class Watched(chunk_readers.Piece):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            gc.collect()
            alive.append(sum(ref() is not None for ref in seen))
            seen.append(weakref.ref(self))

    monkeypatch.setattr(chunk_readers, "Piece", Watched)
    with soma.open_experiment(tiny.uri, soma_buffer_size=SMALL) as experiment:
        chunk_readers.read_epoch(experiment.ms["RNA"].X["raw"], [tiny.obs_joinids], "table")
    assert len(alive) > 1
    assert set(alive) == {0}


def test_rows_of_obs_come_in_the_order_asked_for(experiment, tiny: Tiny) -> None:
    ids = np.random.default_rng(1).permutation(tiny.obs_joinids)[:200]
    table = soma.read_dataframe(experiment.obs, ids, ["raw_sum", "cell_type"])
    assert table.column_names == ["soma_joinid", "raw_sum", "cell_type"]
    assert table.column("soma_joinid").to_pylist() == ids.tolist()
    assert table.column("raw_sum").to_pylist() == tiny.raw_sum[tiny.rows(ids)].tolist()
    assert pa.types.is_dictionary(table.schema.field("cell_type").type)
    assert table.column("cell_type").to_pylist() == tiny.cell_type[tiny.rows(ids)].tolist()


def test_obs_in_many_small_buffers(tiny: Tiny) -> None:
    ids = tiny.obs_joinids[::-1]
    with soma.open_experiment(tiny.uri, soma_buffer_size=1024, py_buffer_size=1024) as experiment:
        table = soma.read_dataframe(experiment.obs, ids, ["cell_type"])
    assert table.column("cell_type").to_pylist() == tiny.cell_type[::-1].tolist()


def test_a_row_that_obs_lacks_is_refused(experiment, tiny: Tiny) -> None:
    absent = int(np.setdiff1d(np.arange(2100), tiny.obs_joinids)[0])
    with pytest.raises(AlbError, match=rf"no row has soma_joinid \[{absent}\] \(1 in all\)"):
        soma.read_dataframe(experiment.obs, np.array([absent, tiny.obs_joinids[0]]), ["raw_sum"])


def test_the_context_has_the_options_given(tiny: Tiny) -> None:
    with soma.open_experiment(
        tiny.uri, py_buffer_size=123456, soma_buffer_size=234567, config={"sm.mem.malloc_trim": "false"}
    ) as experiment:
        config = experiment.context.tiledb_config
    assert str(config["py.init_buffer_bytes"]) == "123456"
    assert str(config["soma.init_buffer_bytes"]) == "234567"
    assert str(config["sm.mem.malloc_trim"]) == "false"
    assert experiment.closed


def test_no_experiment(tmp_path: Path, tiny: Tiny) -> None:
    for uri in (str(tmp_path / "absent"), str(tmp_path), f"{tiny.uri}/ms", f"{tiny.uri}/obs"):
        with pytest.raises(AlbError, match="no SOMA experiment at"), soma.open_experiment(uri):
            pass


def test_bad_arguments(x, tiny: Tiny) -> None:
    with pytest.raises(AlbError, match="reader is 'tables', expected one of table, blockwise_table"):
        chunk_readers.read_epoch(x, [tiny.obs_joinids], "tables")
    with (
        pytest.raises(AlbError, match=r"soma\.init_buffer_bytes is 0"),
        soma.open_experiment(tiny.uri, soma_buffer_size=0),
    ):
        pass


def test_a_layer_by_its_name(experiment, tiny: Tiny, tmp_path: Path) -> None:
    measurement, x = soma.sparse_x(experiment, "RNA", "raw", "typed")
    assert x.nnz == np.count_nonzero(tiny.x)
    assert soma.joinids(measurement.var).tolist() == tiny.var_joinids.tolist()
    for names, words in (
        (("ATAC", "raw"), "typed has no measurement 'ATAC', expected one of RNA"),
        (("RNA", "normalized"), "typed has no X layer 'normalized', expected one of raw"),
    ):
        with pytest.raises(AlbError, match=f"^{words}$"):
            soma.sparse_x(experiment, *names, "typed")
    dense = write_tables(tmp_path / "dense", joinids(20), joinids(5), np.ones((20, 5), np.float32))
    with (
        soma.open_experiment(dense) as opened,
        pytest.raises(AlbError, match=r"^X layer 'raw' of typed is a DenseNDArray, expected a SparseNDArray$"),
    ):
        soma.sparse_x(opened, "RNA", "raw", "typed")


@pytest.mark.parametrize("reader", chunk_readers.READERS)
def test_each_chunk_is_told(x, tiny: Tiny, reader: str) -> None:
    told: list[tuple[int, int]] = []
    chunks = order.chunks(tiny.obs_joinids, 300)
    chunk_readers.read_epoch(x, chunks, reader, progress=lambda rows, values: told.append((rows, values)))
    parts = (tiny.x[:300], tiny.x[300:600], tiny.x[600:])
    assert told == [(len(part), np.count_nonzero(part)) for part in parts]


def test_what_is_wrong_with_s3_is_hinted_at(tmp_path: Path) -> None:
    config = {"vfs.s3.endpoint_override": "127.0.0.1:9", "vfs.s3.scheme": "http", "vfs.s3.connect_max_tries": 1}
    keys = {"vfs.s3.aws_access_key_id": "me", "vfs.s3.aws_secret_access_key": "hush", "vfs.s3.region": "us-east-1"}
    with pytest.raises(AlbError) as caught, soma.open_experiment("s3://bucket/none", config={**config, **keys}):
        pass
    said = str(caught.value)
    assert said.startswith("no SOMA experiment at s3://bucket/none, or bucket, region or credentials are wrong: ")
    assert "\n" not in said and "hush" not in said
