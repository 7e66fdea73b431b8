"""The trial read: a wheel imports, and reads a tiny array, under the stack that it is to be measured with."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import scratch_directory
from alb_core.base.paths import suite_root
from alb_core.base.processes import NoEndError, run

# Written and read by the wheel itself: an array that stands somewhere would be another thing to prove.
_PROGRAM = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import tiledbsoma
home = os.path.realpath(os.path.dirname(tiledbsoma.__file__))
assert home.startswith(os.path.realpath(sys.argv[1])), f"imported from {home}"
import pyarrow as pa
uri = os.path.join(sys.argv[2], "array")
with tiledbsoma.SparseNDArray.create(uri, type=pa.float32(), shape=(4, 4)) as array:
    array.write(pa.table({
        "soma_dim_0": pa.array([0, 1, 3], pa.int64()),
        "soma_dim_1": pa.array([2, 0, 3], pa.int64()),
        "soma_data": pa.array([1.0, 2.0, 4.0], pa.float32()),
    }))
with tiledbsoma.SparseNDArray.open(uri) as array:
    table = array.read((slice(0, 1), slice(None))).tables().concat()
assert sorted(table["soma_data"].to_pylist()) == [1.0, 2.0], table
sys.path.append(sys.argv[3])
from alb_core.base.loaded_libraries import require_inside
require_inside(Path(sys.argv[1]))
"""

#: Seconds after which a trial read counts as failed.
TIMEOUT = 120


def trial_read(python: Path, wheels: Sequence[Path]) -> str | None:
    """Import a wheel in a throw-away place, and read with it."""
    with scratch_directory("trial") as directory:
        place, scratch = directory / "site", directory / "data"
        scratch.mkdir()
        try:
            for wheel in wheels:
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(place)
        except (OSError, zipfile.BadZipFile) as error:
            raise AlbError(f"cannot try {wheels[0].name} with {python}: {error}") from error
        try:
            done = run([python, "-I", "-c", _PROGRAM, place, scratch, suite_root()], timeout_seconds=TIMEOUT)
        except NoEndError:
            return f"no end within {TIMEOUT} s"
    # The throw-away place has another name each time, and says nothing.
    return done.reason.replace(f"{place}/", "") if done.status else None
