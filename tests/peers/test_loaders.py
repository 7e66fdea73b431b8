"""Each peer that can be here, held against the experiment itself."""

import ast
import importlib
import itertools
import sys

import numpy as np
import pytest
import torch

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.peers.environments import ENVIRONMENTS
from alb_core.peers.interface import SETTINGS, Wanted

#: Those that the test requirements bring; the others run in environments of their own.
HERE = ("ours", "tiledbsoma_ml", "scdataset", "annloader")

CHUNK, BLOCK, BATCH = 16, 128, 64


def module(name):
    return importlib.import_module(f"alb_core.peers.{name}")


@pytest.fixture
def wanted(tiny, copies):
    def of(**options):
        known = {"batch_size": BATCH, "chunk_size": CHUNK, "block_size": BLOCK, "seed": 3}
        return Wanted(tiny.uri, copies, len(tiny.obs_joinids), len(tiny.var_joinids), **{**known, **options})

    return of


def joinids(name, wanted):
    return np.concatenate([ids for _, ids in module(name).batches(wanted)])


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", HERE)
def test_every_row_once_with_its_values(tiny, wanted, name, shuffle, setting):
    peer = module(name)
    asked = wanted(shuffle=shuffle, options=peer.OPTIONS[setting])
    assert peer.unsupported(asked) is None
    seen = []
    for x, ids in peer.batches(asked):
        assert x.dtype == torch.float32 and x.is_contiguous() and ids.dtype == np.int64
        assert len(x) == len(ids) <= BATCH
        np.testing.assert_array_equal(x.numpy(), tiny.x[tiny.rows(ids)])
        seen.append(ids)
    everything = np.concatenate(seen)
    assert sorted(everything) == tiny.obs_joinids.tolist()
    assert (everything.tolist() == tiny.obs_joinids.tolist()) != shuffle
    # 700 rows: ten whole batches and the rest, wherever a loader puts its short ones.
    assert len(seen) == 11


@pytest.mark.parametrize("name", HERE)
def test_a_seed_and_an_epoch_give_one_order(wanted, name):
    def begin(**options):
        batches = module(name).batches(wanted(options=module(name).OPTIONS["best"], **options))
        return [i for _, ids in itertools.islice(batches, 2) for i in ids]

    first = begin()
    assert begin() == first
    assert begin(epoch=1) != first
    assert begin(seed=4) != first


@pytest.mark.parametrize(
    ("name", "options"), [("tiledbsoma_ml", {}), ("scdataset", {}), ("annloader", {"order": "wanted"})]
)
def test_a_block_is_whole_chunks_from_all_over(tiny, wanted, name, options):
    rows = tiny.rows(joinids(name, wanted(options=options)))
    n_chunks = -(-len(rows) // CHUNK)
    drawn = []
    for start in range(0, len(rows), BLOCK):
        block = np.sort(rows[start : start + BLOCK])
        chunks, counts = np.unique(block // CHUNK, return_counts=True)
        # The last chunk is short; a block that it falls into takes the rest from a chunk that is cut in two.
        assert (counts == CHUNK).sum() >= len(block) // CHUNK - 1
        assert not (np.diff(rows[start : start + BLOCK]) == 1).all()
        drawn += list(chunks)
    assert set(drawn) == set(range(n_chunks)) and drawn != sorted(drawn)


def test_annloader_shuffles_single_rows_where_nothing_is_said(tiny, wanted):
    rows = tiny.rows(joinids("annloader", wanted()))
    assert len(np.unique(rows[:BLOCK] // CHUNK)) > 2 * BLOCK // CHUNK


@pytest.mark.parametrize("name", ["scdataset", pytest.param("tiledbsoma_ml", marks=pytest.mark.e2e)])
def test_workers_share_the_rows(tiny, wanted, name):
    options = {**module(name).OPTIONS["best"], "workers": 2}
    assert sorted(joinids(name, wanted(options=options))) == tiny.obs_joinids.tolist()


def test_a_batch_of_one_row_is_a_matrix(tiny, wanted):
    x, ids = next(iter(module("tiledbsoma_ml").batches(wanted(batch_size=1))))
    assert x.shape == (1, 150)
    np.testing.assert_array_equal(x.numpy(), tiny.x[tiny.rows(ids)])


@pytest.mark.parametrize("name", HERE)
def test_a_setting_that_a_peer_lacks_is_refused(wanted, name):
    with pytest.raises(AlbError, match="no setting bufer_size, expected some of: "):
        module(name).batches(wanted(options={"bufer_size": 1}))


@pytest.mark.parametrize(
    ("name", "block", "said"),
    [
        ("tiledbsoma_ml", 100, "a block of 100 rows is no multiple of chunks of 16"),
        ("scdataset", 100, "a block of 100 rows is no multiple of batches of 64"),
        ("scdataset", 32, None),
        ("annloader", 100, None),
    ],
)
def test_what_a_loader_cannot_do_is_said(wanted, name, block, said):
    assert module(name).unsupported(wanted(block_size=block)) == said
    assert module(name).unsupported(wanted(block_size=block, shuffle=False)) is None


def test_what_is_not_installed_is_said(wanted, monkeypatch):
    assert "annbatch needs Python 3.12 or newer" in module("annbatch").unsupported(wanted())
    for name, needs in {"tiledbsoma_ml": "tiledbsoma_ml", "scdataset": "scdataset", "annloader": "anndata"}.items():
        # As an import does where there is no such module.
        monkeypatch.setattr(importlib.util, "find_spec", lambda asked, needs=needs: None if asked == needs else asked)
        assert module(name).unsupported(wanted()) == f"{needs} is not installed"


def test_the_census_loader_is_refused_where_it_is_gone(wanted):
    assert module("cellxgene_census_loader").unsupported(wanted()) is not None


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_peer_can_be_read_anywhere_and_imports_nothing_of_the_suite(name):
    tree = ast.parse((suite_root() / "alb_core" / "peers" / f"{name}.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in top if isinstance(node, ast.ImportFrom)]
    known = {"alb_core.peers.interface", "numpy", "numpy.typing"}
    assert {name for name in names if name.split(".")[0] not in sys.stdlib_module_names} <= known
    peer = module(name)
    assert set(peer.OPTIONS) == set(SETTINGS) and peer.NAME and peer.DISTRIBUTION
    assert set(peer.COPIES) <= {"h5ad", "zarr"}
