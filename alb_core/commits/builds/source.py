"""A source build: tiledb-soma's own build, run by pip."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.processes import Program
from alb_core.commits.builds import local_tiledb, staged_tree
from alb_core.commits.builds.build_progress import follow
from alb_core.commits.builds.needs import FOREIGN
from alb_core.commits.history.package import Layout

LOG = "build.log"

#: Environment variable: the compiler cache that the files of the binding are compiled through.
_CACHE = "ALB_COMPILER_CACHE"


@dataclass(frozen=True)
class Recipe:
    """What a source build is made of."""

    repository: Path
    commit: str
    layout: Layout
    #: Of the wheel.
    version: str
    #: Python of the environment that the wheel is for.
    python: Path
    #: What pip is held to as it chooses what the build is built with.
    constraints: Sequence[str]


def build(recipe: Recipe, directory: Path) -> Path:
    """Build a commit's wheel through pip, and leave it in a directory with its log."""
    with tempfile.TemporaryDirectory(prefix=".tree-", dir=directory) as place:
        return _build(recipe, directory, Path(place))


def _build(recipe: Recipe, directory: Path, place: Path) -> Path:
    log = directory / LOG
    print(f"alb: building {recipe.commit[:10]} from source, its log is {log}", file=sys.stderr, flush=True)
    home = staged_tree.stage(recipe.repository, recipe.commit, recipe.layout, place)
    # Read by the package's own version script, where there is no git around it.
    (home / "RELEASE-VERSION").write_text(f"{recipe.version}\n")
    held = place / "constraints.txt"
    held.write_text("".join(f"{line}\n" for line in recipe.constraints))
    command = [recipe.python, "-m", "pip", "wheel", "--verbose", "--no-deps", "--disable-pip-version-check"]
    command += ["--wheel-dir", directory, home]
    with log.open("wb") as output:
        output.write("".join(f"held to {line}\n" for line in recipe.constraints).encode())
        output.flush()
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        with Program(command, env=_variables(place, held), **streams) as program:
            status = follow(program, log, f"building {recipe.commit[:10]}")
    if status:
        raise BuildError(complaint(log.read_text(errors="replace")))
    [wheel] = directory.glob("*.whl")
    return wheel


def _variables(place: Path, constraints: Path) -> dict[str, str]:
    """Return the environment variables of a build."""
    variables = {**os.environ, "GIT_CEILING_DIRECTORIES": str(place)}
    for name in ("PYTHONPATH", FOREIGN):
        variables.pop(name, None)
    given = local_tiledb.given()
    if given is not None:
        variables[local_tiledb.VARIABLE] = str(given.root)
    if constraints.read_text():
        # pip before 25.3 knows the one alone, later ones heed the other.
        everything = " ".join([*os.environ.get("PIP_CONSTRAINT", "").split(), str(constraints)])
        variables |= {"PIP_CONSTRAINT": everything, "PIP_BUILD_CONSTRAINT": str(constraints)}
    cache = staged_tree.compiler_cache()
    if cache is not None:
        # The place of a tree differs from build to build, and is not part of what is compiled.
        variables |= {_CACHE: cache, "CCACHE_BASEDIR": str(place), "CCACHE_NOHASHDIR": "1"}
    return variables


class BuildError(AlbError):
    """A source build that ended badly; its text is the line of the log that says most."""

    @property
    def of_code(self) -> bool:
        """Whether a compiler or a linker refused the code: the same again would end the same."""
        said = str(self)
        where = r"^\S+:\d+(:\d+)?:? .*error:|undefined reference|Undefined symbols"
        return re.search(where, said) is not None and "No space left" not in said


def complaint(log: str) -> str:
    """Return the line of a build's log that says most: the first error of a compiler, else pip's last word."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in (r"undefined reference|Undefined symbols", r"(fatal )?error:|CMake Error|Error:", r"^ERROR"):
        for line, following in itertools.pairwise([*lines, ""]):
            if re.search(pattern, line) and "subprocess-exited" not in line and "exit code" not in line:
                # cmake tells what is wrong in the line after.
                return f"{line} {following}" if line.endswith(("(message):", "architecture:")) else line
    return lines[-1] if lines else "no word"
