from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec, parse, parse_one

POWERS = [2**i for i in range(12)]


@pytest.mark.parametrize(
    ("text", "chunk_size", "chunks_per_block"),
    [
        ("2048x64", 64, 2048),
        (" 2048 x 64 ", 64, 2048),
        ("2_048X64", 64, 2048),
        ("131072 / 2048", 64, 2048),
        ("131072/2048", 64, 2048),
        ("131_072 / 1", 131072, 1),
        ("64", 64, 1),
        ("1", 1, 1),
    ],
)
def test_one(text: str, chunk_size: int, chunks_per_block: int) -> None:
    assert parse(text) == [BlockSpec(chunk_size, chunks_per_block)]


def test_range_ascends() -> None:
    specs = parse("131072 / [1,2048]")
    assert [spec.chunks_per_block for spec in specs] == POWERS
    assert {spec.block_size for spec in specs} == {131072}


def test_range_descends() -> None:
    assert parse("131072/[ 2048 , 1 ]") == parse("131072 / [1,2048]")[::-1]


def test_range_need_not_start_at_one() -> None:
    assert [str(spec) for spec in parse("96 / [3,12]")] == ["3x32", "6x16", "12x8"]
    assert parse("64 / [4,4]") == [BlockSpec(16, 4)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected '2048x64'"),
        ("x64", "expected '2048x64'"),
        ("64x", "expected '2048x64'"),
        ("-64", "expected '2048x64'"),
        ("6.4", "expected '2048x64'"),
        ("1__0", "expected '2048x64'"),
        ("٣", "expected '2048x64'"),
        ("64 / [1]", "expected '2048x64'"),
        ("64 / [1,2,4]", "expected '2048x64'"),
        ("8 / 4 / 2", "expected '2048x64'"),
        ("0", "holds 0, expected whole numbers of 1 or more"),
        ("0x64", "holds 0"),
        ("64x0", "holds 0"),
        ("64/0", "holds 0"),
        ("64 / [0,4]", "holds 0"),
        ("100 / 8", "100 rows do not divide evenly into 8 chunks (4 left over)"),
        ("96 / [1,64]", "do not divide evenly into 64 chunks"),
        ("4 / 8", "do not divide evenly"),
        ("120 / [1,12]", "ends 1 and 12, expected a power of two"),
        ("120 / [5,2]", "ends 5 and 2, expected a power of two"),
        (f"{2**62}x{2**62}", "expected at most"),
        ("9" * 5000, "more than 19 digits"),
    ],
)
def test_bad_text(text: str, reason: str) -> None:
    with pytest.raises(AlbError) as caught:
        parse(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("chunk_size", "chunks"), [(0, 1), (1, 0), (-1, 1), (True, 1), (1.0, 1)])
def test_bad_spec(chunk_size: int, chunks: int) -> None:
    with pytest.raises(AlbError, match="expected a whole number of 1 or more"):
        BlockSpec(chunk_size, chunks)


def test_parse_one_refuses_a_range() -> None:
    assert parse_one("8x4") == BlockSpec(4, 8)
    with pytest.raises(AlbError, match="names 12 specs, expected one"):
        parse_one("131072 / [1,2048]")


@given(st.integers(1, 2**31), st.integers(1, 2**31))
def test_text_and_back(chunk_size: int, chunks: int) -> None:
    spec = BlockSpec(chunk_size, chunks)
    assert parse(str(spec)) == [spec]
    assert parse(f"{spec.block_size} / {chunks}") == [spec]


@given(st.text(alphabet="0123456789x/[],_ -.", max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        specs = parse(text)
    except AlbError as error:
        assert repr(text) in str(error) or "block of" in str(error)
    else:
        assert specs
        assert all(parse_one(str(spec)) == spec for spec in specs)
