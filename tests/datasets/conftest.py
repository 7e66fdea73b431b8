"""The slice that tests of downloads take, downloaded once."""

from __future__ import annotations

from pathlib import Path

import pytest
from census import Census
from slices import downloaded

from alb_core.datasets.manifest import Manifest, load


@pytest.fixture(scope="session")
def whole(writers: Path, census: Census, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What the slice of these tests is, downloaded at one go."""
    return load(downloaded(census.uri, tmp_path_factory.mktemp("whole")))
