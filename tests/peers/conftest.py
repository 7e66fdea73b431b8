from pathlib import Path

import pytest
import tiledbsoma_ml._csr
from copied import manifest_of
from numba.core.dispatcher import Dispatcher

from alb_core.datasets.copies import write


@pytest.fixture(scope="session")
def copies(tiny, tmp_path_factory):
    """Copies of the tiny experiment by format, as peers are told of them; for reading only."""
    place = tmp_path_factory.mktemp("copies")
    paths = {}
    for form in ("h5ad", "zarr"):
        path = place / f"cells.{form}"
        write.write(Path(tiny.uri), manifest_of(tiny), path, form)
        paths[form] = str(path)
    return paths


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """tiledbsoma-ml's own loops as Python runs them: compiling them for tiny arrays takes longer than all tests."""
    for name, compiled in list(vars(tiledbsoma_ml._csr).items()):
        if isinstance(compiled, Dispatcher):
            monkeypatch.setattr(tiledbsoma_ml._csr, name, compiled.py_func)
