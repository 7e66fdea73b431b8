"""Write a SOMA experiment with the floor release: the one way in which datasets come to be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import IO, TypeAlias

import pyarrow as pa

from alb_core.base.errors import AlbError
from alb_core.base.processes import Program, how_it_ended
from alb_core.datasets.writer.environment import ensure_writer, writing_release

#: A table, or a reader of its batches where it is too large to be held.
Table: TypeAlias = pa.Table | pa.RecordBatchReader

#: Of the values of X, where nobody says otherwise.
X_TYPE = pa.float32()

_SCRIPT = Path(__file__).with_name("process.py")
_END = b"end\n"


def x_schema(kind: pa.DataType) -> pa.Schema:
    """Schema of the batches of X, whose values have the type ``kind``."""
    return pa.schema([("soma_dim_0", pa.int64()), ("soma_dim_1", pa.int64()), ("soma_data", kind)])


#: Of the batches of X, where nobody says otherwise.
X_SCHEMA = x_schema(X_TYPE)


@dataclass(frozen=True)
class Layer:
    """A layer of X."""

    name: str
    type: pa.DataType
    #: Its non-zeros, as :func:`write_experiment` takes them.
    batches: Iterable[pa.RecordBatch]


def write_experiment(
    path: Path,
    shape: tuple[int, int],
    x: Iterable[pa.RecordBatch],
    obs: Callable[[], Table],
    var: Callable[[], Table],
    *,
    layout: str = "census",
    capacity: int = 0,
    fragments: int = 1,
    x_type: pa.DataType = X_TYPE,
    more: Sequence[Layer] = (),
) -> dict[str, str]:
    """Write an experiment with obs, ms/RNA/var and ms/RNA/X, in a process of the floor release."""
    command = [str(ensure_writer()), "-I", str(_SCRIPT), str(path.absolute())]
    command += [f"--cells={shape[0]}", f"--vars={shape[1]}", f"--layout={layout}", f"--fragments={fragments}"]
    layers = [Layer("raw", x_type, x), *more]
    command += [f"--capacity={capacity}", *(f"--layer={layer.name}" for layer in layers)]
    with Program(command, stdin=PIPE, stdout=PIPE) as writer:
        assert writer.stdin is not None and writer.stdout is not None
        # Where the writer has gone, it tells why.
        with contextlib.suppress(BrokenPipeError, pa.ArrowIOError):
            _feed(writer.stdin, layers, obs, var)
        answer, status = writer.stdout.read(), writer.wait()
        if status:
            reason = writer.last_line if status > 0 else ""
            reason = reason or f"it ended with {how_it_ended(status)}"
            raise AlbError(f"tiledbsoma {writing_release().version} could not write {path}: {reason}")
    versions: dict[str, str] = json.loads(answer.splitlines()[-1])
    return versions


def _feed(sink: IO[bytes], layers: Iterable[Layer], obs: Callable[[], Table], var: Callable[[], Table]) -> None:
    """Send the streams and the word that ends them."""
    with sink:
        for layer in layers:
            with pa.ipc.new_stream(sink, x_schema(layer.type)) as stream:
                for batch in layer.batches:
                    stream.write_batch(batch)
        for table in (obs(), var()):
            with pa.ipc.new_stream(sink, table.schema) as stream:
                for batch in table.to_reader() if isinstance(table, pa.Table) else table:
                    stream.write_batch(batch)
        sink.write(_END)
