from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.datasets import content
from alb_core.datasets.content import columns_checksum, table_checksum

rows = st.lists(
    st.tuples(st.integers(-5, 5), st.one_of(st.none(), st.text(max_size=3)), st.booleans(), st.floats(allow_nan=False)),
    min_size=1,
    max_size=20,
)


def table(content: list[tuple[int, str | None, bool, float]]) -> pa.Table:
    numbers, words, flags, floats = zip(*content, strict=True)
    return pa.table(
        {
            "soma_joinid": pa.array(range(len(numbers)), pa.int64()),
            "number": pa.array(numbers, pa.int64()),
            "word": pa.array(words, pa.string()),
            "flag": pa.array(flags),
            "float": pa.array(floats, pa.float64()),
        }
    )


@given(rows, st.randoms(use_true_random=False))
def test_the_same_content_has_the_same_checksum(
    content: list[tuple[int, str | None, bool, float]], random: object
) -> None:
    original = table(content)
    order = list(range(len(original)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = original.take(order).select(["float", "word", "soma_joinid", "flag", "number"])
    half = len(original) // 2
    chunked = pa.concat_tables([shuffled.slice(0, half), shuffled.slice(half)])
    encoded = chunked.set_column(1, "word", chunked.column("word").dictionary_encode())
    wide = shuffled.set_column(1, "word", shuffled.column("word").cast(pa.large_string()))
    narrow = wide.set_column(4, "number", wide.column("number").cast(pa.int8()))
    assert len({table_checksum(one) for one in (original, shuffled, chunked, encoded, wide, narrow)}) == 1


@given(rows, st.data())
def test_other_content_has_another_checksum(
    content: list[tuple[int, str | None, bool, float]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    number, word, flag, value = content[place]
    changed = data.draw(
        st.sampled_from(
            [
                (number + 1, word, flag, value),
                (number, "" if word is None else None, flag, value),
                (number, word, not flag, value),
                (number, word, flag, 1.0 if value != 1.0 else 2.0),
            ]
        )
    )
    other = [*content[:place], changed, *content[place + 1 :]]
    assert table_checksum(table(content)) != table_checksum(table(other))


def test_strings_do_not_run_into_one_another_and_a_renamed_column_shows() -> None:
    one, other = table([(0, "ab", True, 0), (0, "c", True, 0)]), table([(0, "a", True, 0), (0, "bc", True, 0)])
    renamed = one.rename_columns(["soma_joinid", "n", "word", "flag", "float"])
    assert len({table_checksum(each) for each in (one, other, renamed)}) == 3


@given(rows, st.lists(st.integers(0, 9), max_size=5), st.integers(1, 7))
def test_columns_in_pieces_have_the_checksum_of_the_table(
    content_rows: list[tuple[int, str | None, bool, float]], cuts: list[int], part: int
) -> None:
    whole = table(content_rows)
    bounds = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole.slice(start, stop - start) for start, stop in pairwise(bounds)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(content, "_ROWS", part)
        expected = table_checksum(whole)
        found = columns_checksum(whole.schema, len(whole), lambda name: (piece.column(name) for piece in pieces))
    assert found == expected


def test_refuses_columns_without_a_definition() -> None:
    with pytest.raises(AlbError, match="column list holds"):
        table_checksum(pa.table({"soma_joinid": [0], "list": [[1]]}))
