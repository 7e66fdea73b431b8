"""Cases of the suite over a real experiment, with the manifest's figures known to the test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from copied import manifest_of

from alb_core.base.errors import AlbError
from alb_core.cases import epoch_seconds, epochs
from alb_core.cases.epochs import LoadCase, ReadCase
from alb_core.loader import block_pipeline

BUFFER = 2**20


@pytest.fixture
def manifest(tiny_without_gaps, monkeypatch):
    """The tiny experiment as a proved dataset: rules 1 and 3 have tests of their own."""
    held = manifest_of(tiny_without_gaps)
    monkeypatch.setattr(epochs, "ready", lambda dataset: held)
    monkeypatch.setattr(epochs, "datasets_root", lambda: Path(tiny_without_gaps.uri).parent)
    return held


@pytest.fixture
def name(tiny_without_gaps):
    return Path(tiny_without_gaps.uri).name


def cases(name):
    for method in ("table", "blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"):
        for shuffle in ("none", "chunk", "global"):
            yield ReadCase(name, method, 128, shuffle, BUFFER)
    for method in ("np.array", "scipy.coo", "scipy.csr"):
        for shuffle in ("none", "block", "global"):
            yield LoadCase(name, method, "4x16", shuffle, 128, BUFFER)


def test_every_case_delivers_what_the_manifest_holds(manifest, name):
    count = 0
    for case in cases(name):
        case.epoch()
        case.epoch(prove=True)
        case.close()
        count += 1
    assert count == 21


@pytest.mark.parametrize("figure", ["n_rows", "nnz", "total"])
def test_a_figure_that_differs_fails_the_timed_epoch(manifest, name, figure):
    manifest.totals = replace(manifest.totals, **{figure: getattr(manifest.totals, figure) + 1})
    for case in (ReadCase(name, "table", 128, "none", BUFFER), LoadCase(name, "np.array", "4x16", "none", 128, BUFFER)):
        with pytest.raises(AlbError, match="not what the dataset holds"):
            case.epoch()
        case.close()


def test_values_in_the_wrong_place_fail_the_proof(manifest, name, monkeypatch):
    right = block_pipeline.METHODS["np.array"]

    def swapped(table, rows, columns):
        matrix = right(table, rows, columns)
        matrix._matrix = np.ascontiguousarray(matrix._matrix[:, ::-1])
        return matrix

    monkeypatch.setitem(block_pipeline.METHODS, "np.array", swapped)
    case = LoadCase(name, "np.array", "4x16", "block", 128, BUFFER)
    case.epoch()  # as many, and as much
    with pytest.raises(AlbError, match="checksum"):
        case.epoch(prove=True)
    case.close()


def test_an_epoch_of_too_few_blocks_is_refused(manifest, name):
    with pytest.raises(AlbError, match="has 7 blocks, expected 8 or more"):
        LoadCase(name, "np.array", "100", "block", 128, BUFFER)


def test_the_first_batch_is_reported_apart(manifest, name):
    case = LoadCase(name, "scipy.csr", "4x16", "block", 128, BUFFER)
    assert 0 < case.first_batch() < 60
    case.close()


def test_a_reader_that_a_release_lacks_is_not_applicable(manifest, name, monkeypatch):
    import tiledbsoma

    read = tiledbsoma.SparseNDArray.read

    class WithoutBlockwise:
        def __init__(self, found):
            self.tables = found.tables

    monkeypatch.setattr(tiledbsoma.SparseNDArray, "read", lambda *a, **k: WithoutBlockwise(read(*a, **k)))
    for method in ("blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"):
        with pytest.raises(NotImplementedError, match="no blockwise reader"):
            ReadCase(name, method, 128, "none", BUFFER)
    case = ReadCase(name, "table", 128, "none", BUFFER)
    case.epoch(prove=True)
    case.close()


def test_a_case_says_what_each_epoch_took_where_it_is_asked_to(manifest, name, monkeypatch, capsys):
    for asked in (False, True):
        if asked:
            monkeypatch.setenv(epoch_seconds.VARIABLE, "1")
        case = ReadCase(name, "table", 128, "none", BUFFER)
        results = [case.epoch(), case.epoch()]
        case.close()
        said, rest = epoch_seconds.taken_out(capsys.readouterr().err)
        assert said == tuple((one.elapsed, one.processor) for one in results if asked) and rest == ""


@pytest.mark.parametrize("shuffle", ["none", "global"])
def test_the_first_rows_alone_are_proved_by_what_obs_says_of_them(manifest, name, shuffle, monkeypatch):
    def first():
        yield ReadCase(name, "table", 128, shuffle, BUFFER, rows=256)
        yield LoadCase(name, "scipy.csr", "4x16", "none", 128, BUFFER, rows=256)

    for case in first():
        assert case.epoch().n_rows == 256
        case.close()
    right = epochs._totals_of
    monkeypatch.setattr(epochs, "_totals_of", lambda obs, rows: right(obs, rows[:-1]))
    for case in first():
        with pytest.raises(AlbError, match="not what the dataset holds"):
            case.epoch()
        case.close()
