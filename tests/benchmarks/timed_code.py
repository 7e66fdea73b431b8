"""What each benchmark class times, as a fingerprint; `python tests/benchmarks/timed_code.py` records it.

A result is comparable with an old one only while the timed code means the same. The record beside this file holds,
for each class, its version, parameters, and a fingerprint of the code in its timed path (comments, docstrings and
formatting left out). Whoever changes that code decides: a new ``version`` (old results are no longer compared, but for
the part that ``same_as`` beside it names: :mod:`alb_core.asv_plugin.continuity`), or ``--same-meaning`` (the change
cannot alter what is timed).
"""

import ast
import hashlib
import importlib
import inspect
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("timed_code.json")

#: Modules in the timed path of each class, in the order in which data passes them.
READING = ("order", "read", "suite")
LOADING = ("block_spec", "order", "read", "spent", "selection", "sampling", "encoding", "opened", "convert", "whole")
LOADING += (
    "tuning",
    "budget",
    "ahead",
    "lookup",
    "pool",
    "buffers",
    "packed",
    "row_runs",
    "ceiling",
    "streams",
    "streaming",
    "handing",
)
LOADING += ("workers", "remote", "pipelines", "shares", "plan", "arguments", "progress", "loader", "epoch", "suite")
PEERS = ("block_spec", "epoch", "suite", "peers.contract", "peers.common", "peers.case", "peers.tiledbsoma_ml")
PEERS += ("peers.cellxgene_census_loader", "peers.scdataset", "peers.annloader", "peers.annbatch")
CLASSES = {
    "read_chunks.ReadChunks": READING,
    "data_loader.DataLoader": LOADING,
    "contexts.LoaderContexts": LOADING,
    "peers.Peers": PEERS,
    "opening.Opening": ("read", "access"),
    "queries.AxisQueries": ("read", "access"),
    "importing.Importing": (),
    "repeats.RepeatedReads": ("read", "access"),
    "layouts.Layouts": READING,
    "full.LoaderBlocks": LOADING,
    "full.ReaderChunks": READING,
}
#: Classes that count and time nothing: what they run is what the others time, and their figures are those of one run.
COUNTING = ("counters", "fragments", "tiledb_stats")
COUNTERS = ("counters.ReadChunks", "counters.DataLoader", "counters.LoaderContexts", "counters.Peers")
CLASSES |= dict.fromkeys(COUNTERS, COUNTING)

#: Modules that the timed path imports and that do not run while the clock does.
UNTIMED = {"checksum", "compiled", "datasets", "errors", "guard", "memory", "paths", "warming", "peers.copies", "proof"}


def benchmark_class(name):
    module, _, cls = name.partition(".")
    sys.path.insert(0, str(ROOT))
    try:
        return getattr(importlib.import_module(f"benchmarks.{module}"), cls)
    finally:
        sys.path.remove(str(ROOT))


def fingerprint(name):
    digest = hashlib.sha256()
    for module in CLASSES[name]:
        digest.update(normalised(path_of(module).read_text()).encode())
    digest.update(normalised(inspect.getsource(benchmark_class(name)), drop=("params", "version", "same_as")).encode())
    return digest.hexdigest()


def path_of(module):
    return ROOT / "alb_core" / (module.replace(".", "/") + ".py")


def normalised(source, drop=()):
    """Dump the syntax tree without docstrings and without assignments to the names in ``drop``."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_docstring(item) and not _assigns(item, drop)]
    return ast.dump(tree)


def state():
    """Return what the record should hold now."""
    found = {}
    for name in CLASSES:
        cls = benchmark_class(name)
        found[name] = {
            "version": cls.version,
            "param_names": list(cls.param_names),
            "params": [list(values) for values in cls.params],
            "fingerprint": fingerprint(name),
        }
    return found


def undecided(recorded, now):
    """Return names of classes whose timed code changed under the same version."""
    return [
        name
        for name, entry in now.items()
        if name in recorded
        and entry["fingerprint"] != recorded[name]["fingerprint"]
        and entry["version"] == recorded[name]["version"]
    ]


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _assigns(node, names):
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in names for t in node.targets)


if __name__ == "__main__":
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    names = undecided(recorded, state())
    if names and "--same-meaning" not in sys.argv:
        sys.exit(f"timed code of {', '.join(names)} changed: give a new version, or --same-meaning")
    RECORD.write_text(json.dumps(state(), indent=1) + "\n")
