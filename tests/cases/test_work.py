"""Files of callgrind, and short names of functions and libraries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.cases.work import functions_of, large, short_function, short_library

FILE = """# callgrind format
version: 1
positions: line
events: Ir
summary: 999

ob=(1) /a/libtiledb-2c1e8971.so.2.30
fl=(1) ???
fn=(1) ZSTD_copy.constprop.0
0 100
cfn=(2) ZSTD_copy
calls=3 0
0 5000
0 7
fn=(2)
+3 20
ob=(2) /b/libc.so.6
fn=(3) 0x0000000000001df20
* 4
fn=(1)
-1 6

totals: 137
"""


def test_functions_have_their_own_instructions_by_library():
    total, functions = functions_of(FILE.splitlines())
    # What a called function took stands with itself; copies of one function are one; no symbol, no name.
    assert total == 137
    assert functions == {"libtiledb ZSTD_copy": 127, "libc": 4, "libc ZSTD_copy": 6}


def test_a_file_that_was_cut_off_is_refused():
    for cut in (FILE.partition("totals")[0], FILE.replace("+3 20", "+3 2"), ""):
        with pytest.raises(ValueError, match="not whole"):
            functions_of(cut.splitlines())


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from("fgh"), st.lists(st.integers(0, 10**12), max_size=3), st.booleans()
        ),
        max_size=20,
    )
)
def test_every_cost_is_counted_once(blocks):
    numbers, lines, expected = {}, [], {}
    for library, function, costs, calls in blocks:
        for key, name in (("ob", library), ("fn", function)):
            known = (key, name) in numbers
            number = numbers.setdefault((key, name), len(numbers))
            lines.append(f"{key}=({number})" + ("" if known else f" {name}"))
        if calls:
            lines += [lines[-1].split(" ")[0].replace("fn", "cfn"), "calls=1 0", "0 123456"]
        lines += [f"0 {cost}" for cost in costs]
        if costs:
            expected[f"{library} {function}"] = expected.get(f"{library} {function}", 0) + sum(costs)
    lines.append(f"totals: {sum(expected.values())}")
    assert functions_of(lines) == (sum(expected.values()), expected)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("ZSTD_decompressSequences_bmi2.constprop.0", "ZSTD_decompressSequences_bmi2"),
        ("DOUBLE_pairwise_sum'2", "DOUBLE_pairwise_sum"),
        ("pthread_cond_wait@@GLIBC_2.3.2", "pthread_cond_wait"),
        ("operator new(unsigned long)", "operator new"),
        ("bool tiledb::operator<(A const&, B<int> const&) const", "tiledb::operator<"),
        ("tiledb::sm::A<int>::operator()(int) const", "tiledb::sm::A::operator()"),
        ("void a::b<c::d<int> >::e<f>(g) [clone .isra.0]", "a::b::e"),
        ("int (anonymous namespace)::f(int)", "f"),
        (
            "void std::__insertion_sort<unsigned long*, arrow::(anonymous namespace)::Sorter::Less>(long)",
            "std::__insertion_sort of arrow::Sorter::Less",
        ),
        (
            "std::_Function_handler<tiledb::Status (), std::_I<soma::Query::next(int)::{lambda()#1}> >::_M_invoke()",
            "std::_Function_handler::_M_invoke of soma::Query::next",
        ),
    ],
)
def test_a_function_has_a_name_that_a_person_can_read(name, short):
    assert short_function(name) == short


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/x/libtiledb-2c1e8971.so.2.30", "libtiledb"),
        ("/x/pytiledbsoma.cpython-311-x86_64-linux-gnu.so", "pytiledbsoma"),
        ("/x/libpython3.11.so.1.0", "libpython3.11"),
        ("/x/python3.11", "python3.11"),
        ("???", "(generated code)"),
    ],
)
def test_a_library_has_the_same_name_in_every_build(path, short):
    assert short_library(path) == short


def test_small_counts_are_left_out():
    assert large({"a": 1, "b": 98, "c": 901}, 0.05) == {"c": 901, "b": 98}
