"""Rooms import only rooms before them, and those that run under old releases nothing that is not there."""

import ast
import subprocess
import sys

import pytest

from alb_core.paths import suite_root

#: Rooms that run inside the benchmark environment, in the order of the data, and what serves them all.
SERVING = ["errors", "files", "checksum", "paths", "proof", "memory", "datasets.spec", "datasets.manifest", "datasets"]
MEASURING = [
    *(
        "block_spec",
        "order",
        "read",
        "spent",
        "selection",
        "sampling",
        "encoding",
        "ahead",
        "opened",
        "convert",
        "whole",
    ),
    *("tuning", "budget", "lookup", "pool", "buffers", "packed", "row_runs", "warming"),
    *("ceiling", "streams", "streaming"),
    *("handing", "workers", "remote", "pipelines", "shares", "plan", "arguments", "progress"),
    *("loader", "epoch", "guard", "compiled", "suite", "access"),
]
#: Rooms of the commands that measure, on top of those: what asks for epochs and passes imports nothing of the stack
#: but numpy and pyarrow, so that a command answers at once and measures in processes that hold nothing else.
ASKING = {
    "locks": {"filelock"},
    "isolated": set(),
    "records": {"pyarrow"},
    "provenance": set(),
    "chunk_reads": set(),
    "sweep": {"pyarrow"},
}
#: What runs in those processes.
ASKED = {
    "tiledb_stats": {"tiledbsoma"},
    "fragments": set(),
    "counters": set(),
    "measure": {"tiledbsoma", "torch", "tqdm"},
}
STACK = {"numpy", "scipy", "pyarrow", "torch", "tiledbsoma"}


def imports(module):
    path = suite_root() / "alb_core" / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = [f"alb_core.{alias.name}" for alias in node.names] if node.module == "alb_core" else [node.module]
            yield from names


@pytest.mark.parametrize("module", SERVING + MEASURING)
def test_the_benchmark_environment_has_what_a_room_imports(module):
    allowed = STACK if module in MEASURING or module == "checksum" else set()
    allowed = allowed | ({"numpy"} if module == "checksum" else set())
    # Behind the method that needs it: the loader imports it where it is asked for.
    allowed = allowed | {"packed": {"numba"}, "compiled": {"numba"}, "progress": {"tqdm"}}.get(module, set())
    foreign = {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names) - {"alb_core"}
    assert foreign <= allowed


@pytest.mark.parametrize("module", SERVING + MEASURING)
def test_a_room_imports_rooms_before_it_alone(module):
    rooms = SERVING + MEASURING
    own = [name.removeprefix("alb_core.") for name in imports(module) if name.startswith("alb_core.")]
    before = set(rooms[: rooms.index(module)]) if module in MEASURING else set(SERVING)
    assert set(own) <= before, module


@pytest.mark.parametrize("module", {**ASKING, **ASKED})
def test_rooms_of_the_commands_import_what_they_may(module):
    foreign = {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names) - {"alb_core"}
    assert foreign <= {**ASKING, **ASKED}[module]
    before = [*SERVING, *ASKING] if module in ASKING else [*SERVING, *MEASURING, *ASKING, *ASKED]
    before.append("block_spec")
    own = {name.removeprefix("alb_core.") for name in imports(module) if name.startswith("alb_core.")}
    assert own <= set(before) - {module}


@pytest.mark.parametrize("module", SERVING + MEASURING)
def test_no_room_before_them_imports_those_of_the_commands(module):
    own = {name.removeprefix("alb_core.") for name in imports(module) if name.startswith("alb_core.")}
    assert not own & {*ASKING, *ASKED}


def test_what_compares_loaders_imports_none_of_what_they_need():
    modules = "alb_core.compare.session, alb_core.compare.table"
    program = f"import sys, {modules}; print({{'torch', 'tiledbsoma', 'scipy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_runs_a_loader_imports_numpy_and_torch_alone():
    """It runs in environments that have the loader, and not what this package needs."""
    program = (
        "import sys, alb_core.peers.child, alb_core.peers.counting; "
        "print({name.split('.')[0] for name in sys.modules} & {'tiledbsoma', 'pyarrow', 'scipy', 'click', 'altair'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_command_imports_nothing_slow_before_it_needs_it():
    program = "import sys, alb_core.cli.main; print({'torch', 'tiledbsoma', 'scipy', 'pypi_simple'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
