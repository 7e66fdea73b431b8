"""What a case took on a commit, counted: instructions of user code, and the functions that they are of.

Standard library only: what counts and what compares counts both take it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

#: Functions with a smaller part of a case's instructions, or of its bytecodes, are not kept.
LEAST_SHARE = 0.0002
LEAST_BYTECODES = 0.005


@dataclass(frozen=True)
class Work:
    """What a case took, counted once."""

    #: Of user code, all threads.
    instructions: int
    #: By function, ``library function``; those of :data:`LEAST_SHARE` or more. Empty where the counter knows none.
    functions: Mapping[str, int] = field(default_factory=dict)
    #: By Python function, ``module:function``; those of :data:`LEAST_BYTECODES` or more.
    bytecodes: Mapping[str, int] = field(default_factory=dict)


def name_of(cls: str, parameters: Sequence[object]) -> str:
    """Name of a combination of a class, with parameters as asv prints them."""
    return f"{cls}({', '.join(map(repr, parameters))})"


def large(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Return the counts that are a share of all or more, largest first."""
    least = share * sum(counts.values())
    return {name: count for name, count in Counter(counts).most_common() if count >= least}


def functions_of(lines: Iterable[str]) -> tuple[int, Counter[str]]:
    """Return the instructions of a file of callgrind, and those of each function by itself.

    A file that was cut off is refused (ValueError): its last line says what all of it comes to.

    The format: https://valgrind.org/docs/manual/cl-format.html, of which files of callgrind with one event have this
    part. Names are given once, with a number that stands for them afterwards.
    """
    names: dict[str, dict[str, str]] = {"ob": {}, "fn": {}}
    library = function = ""
    found: Counter[tuple[str, str]] = Counter()
    called, said = False, None
    for line in lines:
        if line[:1] in _COST_STARTS:
            # The line after calls= is what the called function took, which is counted there.
            if not called:
                found[(library, function)] += int(line.split()[1])
            called = False
        elif line.startswith("calls="):
            called = True
        elif line.startswith("totals:"):
            said = int(line.split()[1])
        elif match := _NAME.match(line):
            key, number, name = match.groups()
            known = names[key.lstrip("c")]
            if name:
                known[number] = name
            if key == "ob":
                library = known[number]
            elif key == "fn":
                function = known[number]
    total = sum(found.values())
    if said != total:
        raise ValueError(f"the file of callgrind is not whole: it has {total:,} instructions, and says {said}")
    short: Counter[str] = Counter()
    for (one, other), count in found.items():
        short[f"{short_library(one)} {short_function(other)}".strip()] += count
    return total, short


_COST_STARTS = frozenset("0123456789+-*")
_NAME = re.compile(r"(c?ob|c?fn)=\((\d+)\)(?: (.*))?")


def short_library(path: str) -> str:
    """Return the name of a library: without directory, versions, and what wheels add to make it unique."""
    name = PurePath(path).name
    if name == "???":
        return "(generated code)"
    return _LIBRARY.sub("", name)


#: ``libtiledb-2c1e8971.so.2.30``, ``pytiledbsoma.cpython-311-x86_64-linux-gnu.so``
_LIBRARY = re.compile(r"(-[0-9a-f]{8})?(\.cpython-[^.]*|\.abi3)?\.(so|dylib)(\.[\d.]+)?$")


def short_function(name: str) -> str:
    """Return a function's name that a person can read, and that is the same for all of its copies.

    Arguments, templates' parameters, the type it returns and what compilers append are left out. A function of general
    use, such as those of the standard library, names the one that it works for.
    """
    if name.startswith("0x"):
        return ""
    bare = _APPENDED.sub("", name.replace("(anonymous namespace)::", ""))
    plain = _last_word(_without_brackets(_OPERATOR.sub(lambda match: _HIDDEN[match.group()], bare)))
    for sign, hidden in _HIDDEN.items():
        plain = plain.replace(hidden, sign)
    owners = [match.group(1) for pattern in _OWNERS for match in pattern.finditer(bare)]
    if plain.startswith(_GENERAL) or "parallel" in plain:
        owner = next((name for name in owners if not name.startswith(_GENERAL) and name not in plain), None)
        if owner is not None:
            return f"{plain} of {owner}"
    return plain


#: A call within a call of itself, copies made by the compiler, versions of a symbol.
_APPENDED = re.compile(
    r"('\d+|\.(constprop|isra|part|cold|lto_priv)(\.\d+)?|@@?[\w.]+| ?\[clone [^]]*\]|\[abi:\w+\])+$"
)
#: Operators whose names have brackets in them, longest first, and what stands for them meanwhile.
_HIDDEN = {
    f"operator{sign}": f"operator\x00{number}\x00"
    for number, sign in enumerate(("<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "()", "<", ">"))
}
_OPERATOR = re.compile("|".join(map(re.escape, _HIDDEN)))
_GENERAL = ("std::", "__gnu_cxx::")
_NAMED = r"((?:[A-Za-z_]\w*::)+~?[A-Za-z_]\w*)"
#: Whose work a general function does, by what tells it best: the function that made the lambda, then any other one.
_OWNERS = [
    re.compile(_NAMED + end) for end in (r"(?=\((?:[^(){]|\([^(){]*\))*\)(?: const)?::\{lambda)", r"(?=[(<])", r"")
]


def _without_brackets(name: str) -> str:
    """Leave out what stands in brackets of any kind, but for a lambda's name."""
    name = re.sub(r"\{lambda\(.*?\)#\d+\}", "lambda", name)
    found, depth = [], 0
    for character in name:
        if character in "<([{":
            depth += 1
        elif character in ">)]}":
            depth = max(0, depth - 1)
        elif not depth:
            found.append(character)
    return "".join(found)


def _last_word(name: str) -> str:
    """Leave out the type that a function returns, and const after its arguments."""
    words = re.sub(r"( const| volatile|&+)+$", "", name.strip()).split(" ")
    for place, word in enumerate(words):
        if "operator" in word:
            return " ".join(words[place:])
    return words[-1]
