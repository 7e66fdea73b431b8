"""What the loaders of these tests are told, and where their processes find them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from strange_loader import N_ROWS, N_VARS, cells, joinids

from alb_core.base.checksum import Totals, dense_checksum
from alb_core.peers.compare.dataset_facts import DatasetFacts
from alb_core.peers.compare.run import ComparedDataset, Reference
from alb_core.peers.counting import ExpectedRows


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes of loaders find the modules of these tests."""
    paths = (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.fixture
def made_up(tmp_path: Path) -> ComparedDataset:
    """The cells that the strange loader makes up, and what they hold."""
    ids, place = joinids(N_ROWS), tmp_path / "facts"
    place.mkdir()
    ExpectedRows(ids, np.arange(N_VARS), (np.arange(N_ROWS) % 3).astype(np.int32)).save(place)
    x = cells(ids, N_VARS)
    totals = Totals(N_ROWS, int(np.count_nonzero(x)), float(x.sum()), dense_checksum(x, ids, np.arange(N_VARS)))
    return ComparedDataset(DatasetFacts(place, N_ROWS, N_VARS), {}, Reference("the manifest", totals))
