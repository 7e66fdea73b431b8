"""What a build script says, read without running it: what it compiles, and what the package requires.

``setup.py`` of a commit is a program that nobody here has checked; its syntax tree says enough. What only describes the
package (classifiers, requirements, comments) is kept apart from what decides the native libraries (flags, sources,
steps).
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from alb_core.base.errors import AlbError

#: Keywords of ``setup()`` that cannot change what is compiled.
_DESCRIBING = {
    *("name", "version", "description", "long_description", "long_description_content_type", "url", "project_urls"),
    *("author", "author_email", "maintainer", "maintainer_email", "license", "classifiers", "keywords"),
    *("install_requires", "extras_require", "python_requires", "tests_require", "entry_points"),
}


@dataclass(frozen=True)
class Script:
    """What the build scripts of a package say."""

    #: Digest of everything that may change the native libraries.
    native: str
    #: Requirements of the package, as written.
    requires: tuple[str, ...]
    #: The Python versions that it asks for, or None.
    python: str | None


@cache
def read(setup: bytes | None, pyproject: bytes | None) -> Script:
    """Read ``setup.py`` and ``pyproject.toml``; either may be missing."""
    project = _toml(pyproject)
    requires, python = project.get("project", {}).get("dependencies"), project.get("project", {}).get("requires-python")
    tree = _syntax(setup) if setup is not None else None
    native: dict[str, Any] = {
        "build-system": {**project.get("build-system", {}), "requires": _without_bounds(project)},
        "tool": {name: project.get("tool", {}).get(name) for name in ("setuptools", "scikit-build")},
        "setup.py": None,
    }
    if tree is not None:
        call = setup_call(tree)
        if call is not None:
            if requires is None:
                requires = _value(_keyword(call, "install_requires"), _no_files)
            python = python or _value(_keyword(call, "python_requires"), _no_files)
            call.keywords = [item for item in call.keywords if item.arg not in _DESCRIBING]
        native["setup.py"] = ast.dump(tree)
    digest = hashlib.sha256(json.dumps(native, sort_keys=True, default=str).encode()).hexdigest()
    return Script(digest, tuple(_listed(requires)), python)


def extras(setup: bytes | None, pyproject: bytes | None, content: Callable[[str], str]) -> dict[str, list[str]]:
    """Return the optional requirements by extra."""
    found = _toml(pyproject).get("project", {}).get("optional-dependencies")
    if found is None and setup is not None:
        call = setup_call(_syntax(setup))
        found = _value(_keyword(call, "extras_require"), content) if call is not None else None
    return {name: _listed(lines) for name, lines in (found or {}).items()}


def build_requires(pyproject: bytes | None) -> list[Requirement]:
    """Return what a build needs, as ``pyproject.toml`` says; what is no requirement is left out."""
    found = []
    for line in _toml(pyproject).get("build-system", {}).get("requires", []):
        with contextlib.suppress(InvalidRequirement):
            found.append(Requirement(line))
    return found


def _toml(pyproject: bytes | None) -> dict[str, Any]:
    try:
        return tomllib.loads((pyproject or b"").decode())
    except ValueError as error:
        raise AlbError(f"pyproject.toml cannot be parsed: {error}") from error


def _syntax(setup: bytes) -> ast.Module:
    try:
        return ast.parse(setup)
    except (SyntaxError, ValueError) as error:
        raise AlbError(f"setup.py cannot be parsed: {error}") from error


def _without_bounds(project: dict[str, Any]) -> list[str]:
    """Names of what a build needs: the bounds keep out tools that fail, and pin none."""
    names = []
    for line in project.get("build-system", {}).get("requires", []):
        try:
            names.append(Requirement(line).name)
        except InvalidRequirement:
            names.append(line)
    return sorted(names)


def setup_call(tree: ast.Module) -> ast.Call | None:
    """Return the call of ``setup`` in a ``setup.py``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if name == "setup":
                return node
    return None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def _no_files(name: str) -> str:
    raise AlbError(f"setup.py reads its requirements from {name}: expected a literal list")


def _value(node: ast.expr | None, content: Callable[[str], str]) -> Any:
    """Evaluate what requirements are written with: literals, sums of them, and ``open("name").read()``."""
    match node:
        case None:
            return None
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, content) + _value(right, content)
        case ast.Dict(keys=keys, values=values):
            return {_value(key, content): _value(value, content) for key, value in zip(keys, values, strict=True)}
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element, content) for element in elements]
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="open"), args=[name, *_]), attr="read")):
            return content(_value(name, content))
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise AlbError(f"line {node.lineno} of setup.py is no literal requirement: {ast.unparse(node)}") from error


def _listed(lines: Any) -> list[str]:
    """Requirements from a list, or from text with one on each line."""
    if lines is None:
        return []
    if isinstance(lines, str):
        lines = lines.splitlines()
    bare = (line.partition("#")[0].strip() for line in lines)
    return [line for line in bare if line and not line.startswith("-")]
