"""What a benchmark's parameters mean: the workload of each combination, read from the code that asv keeps with it.

The definition of a benchmark is the one place that says which dataset it reads and in which blocks. asv's list of
benchmarks holds the code of its setup, so that results can be understood without the benchmark environment.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import parse_one

#: Cases whose epoch is all rows of a dataset, with the names of their arguments in order
#: (tests/site/test_epoch_settings.py holds them against the cases themselves).
CASES: Mapping[str, Sequence[str]] = {
    "ReadCase": ("dataset", "method", "chunk_size", "shuffle", "buffer_size", "rows"),
    "LoadCase": ("dataset", "method", "block_spec", "shuffle", "batch_size", "buffer_size", "context", "rows"),
    "PeerCase": ("dataset", "peer", "block_spec", "shuffle", "batch_size"),
}


@dataclass(frozen=True)
class EpochSettings:
    """An epoch over all rows of a dataset."""

    dataset: str
    #: How rows become tensors: a method of ours, a reader, or somebody else's loader.
    method: str
    #: How blocks are cut, in rows and chunks; a reader's chunk is a block of one.
    chunk_size: int
    chunks_per_block: int
    shuffle: str
    #: Rows; None for a reader, which makes none.
    batch_size: int | None = None
    #: TileDB's, by name; None where there is no choice.
    context: str | None = None
    #: Bytes; None for the context's own.
    buffer_size: int | None = None


def epoch_settings(benchmark: Mapping[str, Any]) -> list[EpochSettings] | None:
    """Return the workload of each combination of parameters, in asv's order; None where an epoch is something else."""
    names, parameters = benchmark["param_names"], benchmark["params"]
    try:
        call = next(_calls(benchmark.get("code") or ""), None)
        if call is None:
            return None
        # asv keeps the parameters as reprs.
        values = [[ast.literal_eval(text) for text in texts] for texts in parameters]
        return [_workload(call, dict(zip(names, chosen, strict=True))) for chosen in itertools.product(*values)]
    except (SyntaxError, ValueError, TypeError, KeyError, AlbError):
        # A benchmark of another time or another author: it has graphs, and no mark in the figure.
        return None


def _calls(code: str) -> Iterator[ast.Call]:
    """Calls that make a case, as they come."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CASES:
            yield node


def _workload(call: ast.Call, parameters: Mapping[str, Any]) -> EpochSettings:
    assert isinstance(call.func, ast.Name)
    names = CASES[call.func.id]
    given = dict(zip(names, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    found = {name: _value(node, parameters) for name, node in given.items()}
    if "block_spec" in found:
        spec = parse_one(found["block_spec"])
        chunk_size, chunks = spec.chunk_size, spec.chunks_per_block
    else:
        chunk_size, chunks = int(found["chunk_size"]), 1
    return EpochSettings(
        dataset=str(found["dataset"]),
        method=str(found["method"] if "method" in found else found["peer"]),
        chunk_size=chunk_size,
        chunks_per_block=chunks,
        shuffle=str(found["shuffle"]),
        batch_size=found.get("batch_size"),
        context=found.get("context"),
        buffer_size=found.get("buffer_size"),
    )


def _value(node: ast.expr, parameters: Mapping[str, Any]) -> Any:
    """Value of an argument: a parameter, a constant, or a product or power of constants."""
    if isinstance(node, ast.Name):
        return parameters[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Pow):
        left, right = _value(node.left, parameters), _value(node.right, parameters)
        return left * right if isinstance(node.op, ast.Mult) else left**right
    return ast.literal_eval(node)
