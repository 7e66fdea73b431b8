"""What benchmarks time, as fingerprints; `python tests/benchmarks/timed_code.py` records them.

A result is comparable with an old one only while the timed code means the same. The record beside this file holds a
fingerprint of each folder whose code is timed and, for each benchmark class, its version, its parameters and a
fingerprint of its own code (comments, docstrings and formatting left out). Whoever changes timed code decides: a new
``version`` of the classes that it means another thing for (old results are no longer compared, but for the part that
``same_as`` beside it names: :mod:`alb_core.rounds.results.carried_versions`), or ``--same-meaning`` (the change cannot
alter what is timed).
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

#: The folders whose code runs while the clock does, each whole, and what of them is not timed.
FOLDERS = {"loader": ("training",), "cases": (), "peers": ("compare",)}


def classes():
    """Names of all benchmark classes, ``module.Class``."""
    return [
        f"{path.stem}.{node.name}"
        for path in sorted((ROOT / "benchmarks").glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    ]


def benchmark_class(name):
    module, _, cls = name.partition(".")
    sys.path.insert(0, str(ROOT))
    try:
        return getattr(importlib.import_module(f"benchmarks.{module}"), cls)
    finally:
        sys.path.remove(str(ROOT))


def fingerprint(name):
    """Of a class's own code."""
    source = normalised(inspect.getsource(benchmark_class(name)), drop=("params", "version", "same_as"))
    return hashlib.sha256(source.encode()).hexdigest()


def folder_fingerprint(folder, root=ROOT / "alb_core"):
    """Of all modules of a folder, but for what is not timed."""
    digest = hashlib.sha256()
    for path in sorted((root / folder).rglob("*.py")):
        within = path.relative_to(root / folder)
        if within.parts[0] not in FOLDERS[folder]:
            digest.update(f"{within}\n{normalised(path.read_text())}\n".encode())
    return digest.hexdigest()


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
    found = {"folders": {folder: folder_fingerprint(folder) for folder in FOLDERS}, "classes": {}}
    for name in classes():
        cls = benchmark_class(name)
        found["classes"][name] = {
            "version": cls.version,
            "param_names": list(cls.param_names),
            "params": [list(values) for values in cls.params],
            "fingerprint": fingerprint(name),
        }
    return found


def undecided(recorded, now):
    """Return what changed and has no decision yet: classes of the same version, and folders while no version is new."""
    old, new = recorded["classes"], now["classes"]
    same = {name for name in old if name in new and new[name]["version"] == old[name]["version"]}
    changed = [name for name in same if new[name]["fingerprint"] != old[name]["fingerprint"]]
    if same == set(old):
        changed += [folder for folder, digest in recorded["folders"].items() if now["folders"].get(folder) != digest]
    return sorted(changed)


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _assigns(node, names):
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in names for t in node.targets)


if __name__ == "__main__":
    found = undecided(json.loads(RECORD.read_text()), state()) if RECORD.exists() else []
    if found and "--same-meaning" not in sys.argv:
        sys.exit(f"timed code of {', '.join(found)} changed: give a new version, or --same-meaning")
    RECORD.write_text(json.dumps(state(), indent=1) + "\n")
