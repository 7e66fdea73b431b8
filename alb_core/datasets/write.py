"""Write a SOMA experiment with the floor release: the one way in which datasets come to be."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TypeAlias

import pyarrow as pa

from alb_core.datasets.writer_env import ensure_writer
from alb_core.errors import AlbError
from alb_core.history.lock import FLOOR

#: A table, or a reader of its batches where it is too large to be held.
Table: TypeAlias = pa.Table | pa.RecordBatchReader

#: Of the batches of X.
X_SCHEMA = pa.schema([("soma_dim_0", pa.int64()), ("soma_dim_1", pa.int64()), ("soma_data", pa.float32())])

_SCRIPT = Path(__file__).with_name("writer_process.py")
_END = b"end\n"


def write_experiment(
    path: Path,
    shape: tuple[int, int],
    x: Iterable[pa.RecordBatch],
    obs: Callable[[], Table],
    var: Callable[[], Table],
    *,
    layout: str = "census",
    fragments: int = 1,
) -> dict[str, str]:
    """Write an experiment with obs, ms/RNA/var and ms/RNA/X/raw, in a process of the floor release.

    Parameters
    ----------
    path
        Where; a directory that is empty or missing.
    shape
        Rows of obs and of var.
    x
        Non-zeros in row-major order, each coordinate once, in batches of any size with :data:`X_SCHEMA`. Streamed:
        the writer holds one row of tiles (2,048 cells) at a time.
    obs, var
        Give the tables, with ``soma_joinid`` from 0; called when ``x`` has ended, so they may hold what was counted.
        The writer holds one batch at a time, which becomes a fragment of its own.
    layout
        ``census`` or ``soma``.
    fragments
        Into how many fragments X/raw is cut, by ranges of rows; a range without non-zeros has none.

    Returns
    -------
    dict
        Versions of what wrote.

    Raises
    ------
    AlbError
        If the writer fails, as on a full disk; what is at ``path`` is then not whole.
    """
    command = [str(ensure_writer()), "-I", str(_SCRIPT), str(path.absolute())]
    command += [f"--cells={shape[0]}", f"--vars={shape[1]}", f"--layout={layout}", f"--fragments={fragments}"]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        except OSError as error:
            raise AlbError(f"cannot start tiledbsoma {FLOOR} with {command[0]}: {error.strerror}") from error
        assert process.stdin is not None and process.stdout is not None
        try:
            try:
                _feed(process.stdin, x, obs, var)
            except (BrokenPipeError, pa.ArrowIOError):
                # The writer has gone, and tells why.
                process.wait()
            answer = process.stdout.read()
            if process.wait() != 0:
                raise AlbError(f"tiledbsoma {FLOOR} could not write {path}: {_last_line(errors, process.returncode)}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    versions: dict[str, str] = json.loads(answer.splitlines()[-1])
    return versions


def _feed(sink: IO[bytes], x: Iterable[pa.RecordBatch], obs: Callable[[], Table], var: Callable[[], Table]) -> None:
    """Send the three streams and the word that ends them."""
    with sink:
        with pa.ipc.new_stream(sink, X_SCHEMA) as stream:
            for batch in x:
                stream.write_batch(batch)
        for table in (obs(), var()):
            with pa.ipc.new_stream(sink, table.schema) as stream:
                for batch in table.to_reader() if isinstance(table, pa.Table) else table:
                    stream.write_batch(batch)
        sink.write(_END)


def _last_line(errors: IO[bytes], status: int) -> str:
    """Return the last line that the writer wrote, or what ended it."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines and status > 0 else f"it ended with status {status}"
