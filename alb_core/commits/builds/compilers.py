"""Which compiler built a native library, and with which flags, as far as the library says so (ELF alone)."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Libraries that tiledbsoma is made of, whatever a wheel adds to their names.
_OURS = re.compile(r"(libtiledbsoma|pytiledbsoma|libtiledb)\b")
_COMPILER = re.compile(rb"(GCC): \([^\0]*?\) (\d[\d.]*)|(clang) version (\d[\d.]*)")
#: Sections in which GCC keeps its flags: of ``-g``, and of ``-frecord-gcc-switches``.
_FLAGS = {".debug_str": re.compile(rb"GNU C\+\+\d* [^\0]+"), ".GCC.command.line": re.compile(rb"[^\0]+")}
#: Flags that change how fast code is.
_FAST = re.compile(r"-(?:O\S*|march=\S+|flto\S*|fsanitize=\S+|ffast-math)")
_COMPRESSED, _NO_BITS = 0x800, 8


@dataclass(frozen=True)
class Built:
    """How a library was built."""

    compilers: frozenset[str]
    #: Empty where none are recorded.
    flags: frozenset[str]

    def __str__(self) -> str:
        return " ".join([" and ".join(sorted(self.compilers)) or "a compiler without name", *sorted(self.flags)])

    def differs(self, other: Built) -> bool:
        """Whether another compiler is known, or other flags; release builds keep no flags, so ``-O0`` alone tells."""
        if self.compilers and other.compilers and self.compilers != other.compilers:
            return True
        slow = {flag for flag in self.flags ^ other.flags if flag == "-O0" or flag.startswith("-fsanitize")}
        return self.flags != other.flags if self.flags and other.flags else bool(slow)


def built(libraries: Iterable[Path]) -> dict[str, Built]:
    """Return how those of some libraries were built that are tiledbsoma's own, by their plain name."""
    found: dict[str, Built] = {}
    for path in libraries:
        named = _OURS.match(path.name)
        if named is not None:
            one, before = _read(path), found.get(named[1], Built(frozenset(), frozenset()))
            found[named[1]] = Built(before.compilers | one.compilers, before.flags | one.flags)
    return found


def differences(base: Mapping[str, Built], head: Mapping[str, Built]) -> str:
    """Say in a line which libraries two sides have from other compilers, or with other flags; empty where none."""
    both = [(name, base[name], head[name]) for name in sorted(base.keys() & head.keys())]
    said = [f"{name} by {one} on BASE, by {other} on HEAD" for name, one, other in both if one.differs(other)]
    return f"built otherwise: {'; '.join(said)}" if said else ""


def _read(path: Path) -> Built:
    compilers, flags = set(), set()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for name, start, end in _sections(data):
                if name == ".comment":
                    words = (filter(None, each.groups()) for each in _COMPILER.finditer(data, start, end))
                    compilers |= {b" ".join(each).decode() for each in words}
                elif name in _FLAGS:
                    lines = {each[0].decode(errors="replace") for each in _FLAGS[name].finditer(data, start, end)}
                    flags |= {flag for line in lines for flag in _flags(line)}
    except (OSError, ValueError, OverflowError, struct.error):
        pass  # No library of this kind says nothing.
    return Built(frozenset(compilers), frozenset(flags))


def _flags(line: str) -> Iterator[str]:
    """Flags of a compiler's line; of several levels of optimisation the last one counts."""
    found = [word for word in line.split() if _FAST.fullmatch(word)]
    levels = [word for word in found if word.startswith("-O")]
    yield levels[-1] if levels else "-O0"
    yield from (word for word in found if not word.startswith("-O"))


def _sections(data: mmap.mmap) -> Iterator[tuple[str, int, int]]:
    """Names of a library's sections, and where in the file each lies; none where it is no 64-bit ELF of this kind."""
    if data[:6] != b"\x7fELF\x02\x01":
        return
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + number * size) for number in range(count)]
    for name, kind, flags, _, start, length in headers:
        if kind != _NO_BITS and not flags & _COMPRESSED:
            at = headers[names][4] + name
            yield data[at : data.find(b"\0", at)].decode(), start, start + length
