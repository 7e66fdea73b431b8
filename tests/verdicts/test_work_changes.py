"""The change between two commits' counts, and the functions that took it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.cases.work import Work
from alb_core.verdicts.work_changes import LEAST_SHARE, FunctionChange, change_of, function_lines, short_count

OLD = Work(
    679_000_000, {"libtiledb unshuffle": 284_700_000, "libtiledb ZSTD": 149_700_000, "python3.11 eval": 5_000_000}
)
NEW = Work(405_000_000, {"libtiledb ZSTD": 149_700_000, "libtiledb avx2": 9_000_000, "python3.11 eval": 5_300_000})


def test_functions_that_took_the_difference_are_named_largest_first():
    found = change_of([OLD, OLD], [NEW, NEW])
    assert found.change == pytest.approx(-0.4035, abs=1e-4) and found.certain and found.apart == 0
    # The interpreter took less than a thousandth more.
    assert found.functions == (
        FunctionChange("libtiledb unshuffle", 284_700_000, 0),
        FunctionChange("libtiledb avx2", 0, 9_000_000),
    )
    assert function_lines(found, 1) == ["libtiledb unshuffle: 284.7 M -> 0 (-41.9 %)", "and 1 more"]


@given(
    *[
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**9), min_size=1).map(
            lambda functions: Work(sum(functions.values()), functions)
        )
        for _ in range(2)
    ]
)
def test_what_is_not_named_is_less_than_the_share_each(base, head):
    found = change_of([base], [head])
    named = {each.name: each.difference for each in found.functions}
    for name in {*base.functions, *head.functions}:
        difference = head.functions.get(name, 0) - base.functions.get(name, 0)
        assert named.get(name, difference) == difference
        assert (name in named) is (abs(difference) >= LEAST_SHARE * base.instructions)
    sizes = [abs(each.difference) for each in found.functions]
    assert sizes == sorted(sizes, reverse=True)


def test_of_several_counts_the_least_and_how_far_they_lie_apart():
    base, head = [Work(1004), Work(1000)], [Work(1010), Work(1010)]
    found = change_of(base, head)
    assert (found.base, found.head, found.certain) == (1000, 1010, True)
    assert found.apart == pytest.approx(0.004)
    assert not change_of(base, [Work(1002), Work(1002)]).certain
    # One count may be too large by chance.
    assert not change_of([Work(1000)], [Work(1010), Work(1010)]).certain


def test_python_functions_stand_at_the_place_of_the_interpreter():
    native = {"libtiledb read": 900_000, "libpython3.11 eval": 80_000, "libpython3.11 alloc": 20_000}
    base = Work(1_000_000, native, {"a.py:f": 600, "a.py:g": 400})
    more = {**native, "libtiledb read": 901_500, "libpython3.11 eval": 92_000, "libpython3.11 alloc": 22_000}
    head = Work(1_015_500, more, {"a.py:f": 600, "a.py:g": 540, "a.py:tiny": 6})
    found = change_of([base], [head])
    assert [(each.name, each.before, each.after, each.unit) for each in found.functions] == [
        ("the Python interpreter", 100_000, 114_000, "instructions"),
        ("a.py:g", 400, 540, "bytecodes"),
        ("libtiledb read", 900_000, 901_500, "instructions"),
    ]
    assert function_lines(found)[1] == "  a.py:g: 400 -> 540 bytecodes"
    # So they do where the other commit executes so little Python that nothing of the interpreter is kept.
    few = change_of([Work(985_000, {"libtiledb read": 900_000}, {"a.py:f": 6})], [base])
    assert [each.name for each in few.functions] == ["the Python interpreter", "a.py:f", "a.py:g"]
    # Where no Python function executes more, the interpreter's own functions say what there is to say.
    own = change_of([base], [Work(1_014_000, more, base.bytecodes)])
    assert [each.name for each in own.functions][:2] == ["libpython3.11 eval", "libpython3.11 alloc"]


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (999, "999"), (12_000, "12.0 k"), (2_313_470_378, "2.3 G")])
def test_counts_in_few_digits(count, said):
    assert short_count(count) == said
