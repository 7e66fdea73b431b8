"""How a block is cut: the grammar of block specs.

===================== ====================================================
``2048x64``           2,048 chunks of 64 rows
``131072 / 2048``     a block of 131,072 rows in 2,048 chunks
``131072 / [1,2048]`` twelve specs: chunks per block 1, 2, 4 ... 2,048
``131072 / [2048,1]`` the same, descending
``64``                one chunk of 64 rows
===================== ====================================================

Spaces are optional, and underscores may group digits (``131_072``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from alb_core.base.errors import AlbError, ArgumentError

_NUMBER = r"(\d+(?:_\d+)*)"
_ONE_CHUNK = re.compile(_NUMBER, re.ASCII)
_CHUNKS_BY_ROWS = re.compile(rf"{_NUMBER}\s*x\s*{_NUMBER}", re.ASCII | re.IGNORECASE)
_BLOCK_BY_CHUNKS = re.compile(rf"{_NUMBER}\s*/\s*{_NUMBER}", re.ASCII)
_BLOCK_BY_RANGE = re.compile(rf"{_NUMBER}\s*/\s*\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]", re.ASCII)

#: A block's rows are counted in int64.
_MAX_ROWS = 2**63 - 1


@dataclass(frozen=True)
class BlockSpec:
    """Cut of a block: ``chunks_per_block`` chunks of ``chunk_size`` consecutive rows each.

    Raises
    ------
    AlbError
        If either is not a positive whole number, or a block's rows do not fit an int64.
    """

    chunk_size: int
    chunks_per_block: int

    def __post_init__(self) -> None:
        for name, value in (("chunk_size", self.chunk_size), ("chunks_per_block", self.chunks_per_block)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise AlbError(f"{name} is {value!r}, expected a whole number of 1 or more")
        if self.block_size > _MAX_ROWS:
            raise AlbError(f"a block of {self.block_size} rows, expected at most {_MAX_ROWS}")

    @property
    def block_size(self) -> int:
        """Rows of a whole block."""
        return self.chunk_size * self.chunks_per_block

    def __str__(self) -> str:
        """Canonical text, ``CxS``: chunks per block x chunk size."""
        return f"{self.chunks_per_block}x{self.chunk_size}"


def parse(text: str) -> list[BlockSpec]:
    """Block specs that a text names; only a range names more than one.

    Parameters
    ----------
    text
        ``CxS``, ``B / C``, ``B / [lo, hi]`` or ``S``.

    Returns
    -------
    list of BlockSpec
        At least one, in the order of the text.

    Raises
    ------
    AlbError
        If the text is none of these, a number is zero, a block does not divide evenly into its chunks, or the
        ends of a range are not a power of two apart.
    """
    stripped = text.strip()
    if match := _ONE_CHUNK.fullmatch(stripped):
        return [BlockSpec(_number(match[1], text), 1)]
    if match := _CHUNKS_BY_ROWS.fullmatch(stripped):
        return [BlockSpec(_number(match[2], text), _number(match[1], text))]
    if match := _BLOCK_BY_CHUNKS.fullmatch(stripped):
        return [_divided(_number(match[1], text), _number(match[2], text), text)]
    if match := _BLOCK_BY_RANGE.fullmatch(stripped):
        block_size, first, last = (_number(match[i], text) for i in (1, 2, 3))
        return [_divided(block_size, chunks, text) for chunks in _doublings(block_size, first, last, text)]
    raise AlbError(
        f"block spec {text!r}, expected '2048x64' (2,048 chunks of 64 rows), '131072 / 2048' (131,072 rows in "
        "2,048 chunks), '131072 / [1,2048]' (a range of them) or '64' (one chunk of 64 rows)"
    )


def parse_one(text: str) -> BlockSpec:
    """Block spec that a text names.

    Raises
    ------
    AlbError
        As :func:`parse`, and if the text is a range of several specs.
    """
    specs = parse(text)
    if len(specs) != 1:
        raise AlbError(f"block spec {text!r} names {len(specs)} specs, expected one, such as '{specs[0]}'")
    return specs[0]


def as_spec(given: Any) -> BlockSpec:
    """Block spec that a user gave: one, its text, or the rows of a chunk alone."""
    if isinstance(given, BlockSpec):
        return given
    if isinstance(given, bool) or not isinstance(given, (str, int, np.integer)):
        raise ArgumentError(f"spec is {given!r}, expected a block spec, such as '512x64'")
    return parse_one(str(given))


def _number(digits: str, text: str) -> int:
    # int() refuses very long texts with an error of its own; 19 digits hold any int64.
    if len(digits.replace("_", "").lstrip("0")) > len(str(_MAX_ROWS)):
        raise AlbError(f"block spec {text!r} holds a number of more than 19 digits, expected at most {_MAX_ROWS}")
    number = int(digits)
    if number < 1:
        raise AlbError(f"block spec {text!r} holds {digits}, expected whole numbers of 1 or more")
    return number


def _divided(block_size: int, chunks: int, text: str) -> BlockSpec:
    chunk_size, rest = divmod(block_size, chunks)
    if rest:
        raise AlbError(
            f"block spec {text!r}: {block_size} rows do not divide evenly into {chunks} chunks ({rest} left over), "
            f"expected as many as divide them{_nearest(block_size, 1, chunks, '{}')}"
        )
    return BlockSpec(chunk_size, chunks)


def _nearest(block_size: int, first: int, wanted: int, form: str) -> str:
    """Say which specs there would be: the nearest doublings of ``first`` chunks that divide the block evenly."""
    doublings = [first << i for i in range(_MAX_ROWS.bit_length()) if block_size % (first << i) == 0]
    near = [max((n for n in doublings if n <= wanted), default=0), min((n for n in doublings if n > wanted), default=0)]
    found = " or ".join(f"'{block_size} / {form.format(n)}'" for n in near if n)
    return f", such as {found}" if found else ""


def _doublings(block_size: int, first: int, last: int, text: str) -> list[int]:
    """``first``, twice that, and so on to ``last``; descending when ``last`` is the smaller."""
    low, high = sorted((first, last))
    ratio, rest = divmod(high, low)
    if rest or ratio.bit_count() != 1:
        raise AlbError(
            f"block spec {text!r}: the range ends {first} and {last}, expected a power of two between them"
            f"{_nearest(block_size, low, high, f'[{low},{{}}]')}"
        )
    ascending = [low << i for i in range(ratio.bit_length())]
    return ascending if first <= last else ascending[::-1]
