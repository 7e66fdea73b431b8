"""The tree of a commit as it is built: what a build needs of it, with small edits that change no library.

tiledb-soma's own tests are left out: they take a third of the time, and Catch2 from another host. The files of its
Python binding are compiled beside each other, and through a cache of compilers where there is one.
"""

from __future__ import annotations

import ast
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.commits.history.build_script import setup_call
from alb_core.commits.history.git import git
from alb_core.commits.history.package import Layout

#: Compiler caches, the first that is on PATH is used.
CACHES = ("ccache", "sccache")

#: Beside a staged ``setup.py``, which imports it.
_BESIDE_SETUP = Path(__file__).with_name("compile_beside.py")
_IMPORT = (
    "import os, sys; sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
    "import compile_beside; compile_beside.install()\n"
)


def stage(repository: Path, commit: str, layout: Layout, place: Path) -> Path:
    """Unpack what a build needs of a commit's tree, and edit it; return the directory that pip builds."""
    wanted = [layout.python or ".", layout.cpp, str(Path(layout.script).parent)]
    packed = place / "tree.tar"
    # The rest of a repository (data, notebooks) may be large.
    git(repository, "archive", "--format=tar", f"--output={packed}", commit, "--", *wanted)
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(place, filter="tar")
    except (OSError, tarfile.TarError) as error:
        raise AlbError(f"cannot unpack {commit} in {place}: {error}") from error
    packed.unlink()
    _edit(place / layout.cpp / "CMakeLists.txt", without_tests)
    _edit(place / layout.script, without_test_target)
    home = place / layout.python
    if (home / "setup.py").is_file():
        _edit(home / "setup.py", compiled_beside)
        shutil.copyfile(_BESIDE_SETUP, home / _BESIDE_SETUP.name)
    return home


def without_tests(cmake: str) -> str:
    """Leave the tests out of a CMakeLists.txt."""
    return re.sub(r"(?m)^(\s*)add_subdirectory\(\s*test\s*\)", r"\1# add_subdirectory(test)", cmake)


def without_test_target(script: str) -> str:
    """Leave the building of tests out of the library's build script."""
    return re.sub(r"(?m)^(?=.*cmake\b.*--target\s+build_tests\b)", "# ", script)


def compiled_beside(setup: str) -> str:
    """Let a ``setup.py`` import what compiles its files beside each other, before it calls ``setup``."""
    tree = ast.parse(setup)
    call = setup_call(tree)
    line = next((node.lineno for node in tree.body if call is not None and call in ast.walk(node)), None)
    if line is None:
        return setup
    lines = setup.splitlines(keepends=True)
    lines.insert(line - 1, _IMPORT)
    return "".join(lines)


def compiler_cache() -> str | None:
    """Return the compiler cache that is on PATH, if there is one."""
    return next((found for name in CACHES if (found := shutil.which(name))), None)


def _edit(path: Path, edit: Callable[[str], str]) -> None:
    if path.is_file():
        path.write_text(edit(path.read_text(errors="surrogateescape")), errors="surrogateescape")
