import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.datasets.spec import KNOWN, LAYOUTS, PROFILES, Spec, checked_name, differences, resolved

specs = st.integers(1, 10_000).flatmap(
    lambda cells: st.builds(
        Spec,
        cells=st.just(cells),
        vars=st.integers(1, 1_000_000),
        profile=st.sampled_from(PROFILES),
        layout=st.sampled_from(LAYOUTS),
        fragments=st.integers(1, cells),
        seed=st.integers(0, 2**63 - 1),
    )
)


@given(specs)
def test_json_round_trip(spec: Spec) -> None:
    assert Spec.from_json(spec.as_json()) == spec
    assert differences(spec.as_json(), spec.as_json()) == ""


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cells", 0, "cells is 0, expected 1 to"),
        ("cells", 10**12, "cells is 1,000,000,000,000"),
        ("vars", 2**31 + 1, "vars is 2,147,483,649, expected 1 to 1,000,000"),
        ("fragments", 0, "fragments is 0, expected 1 to the number of cells (10)"),
        ("fragments", 11, "fragments is 11"),
        ("seed", -1, "seed is -1"),
        ("seed", 2**63, "seed is"),
        ("layout", "zarr", "layout is 'zarr', expected one of census, soma"),
        ("profile", "flat", "profile is 'flat'"),
    ],
)
def test_refuses_what_cannot_be_made(field: str, value: object, words: str) -> None:
    with pytest.raises(AlbError) as caught:
        Spec(**{"cells": 10, "vars": 10, field: value})  # type: ignore[arg-type]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".mini", "a/b", "/abs", "a\\b", "a b", "a\n", "x" * 101, "a.partial-1"]
)
def test_refuses_names_that_leave_the_directory_or_hide_in_it(name: str) -> None:
    with pytest.raises(AlbError, match="cannot name a dataset"):
        checked_name(name)


def test_known_names_stand_for_their_specification_and_unknown_ones_take_cells() -> None:
    assert resolved("mini") == KNOWN["mini"] == resolved("mini", cells=4096, vars=None, seed=0)
    with pytest.raises(AlbError, match=r"mini has cells 4096 \(not 5\), layout census \(not soma\)"):
        resolved("mini", cells=5, layout="soma")
    assert resolved("mine", cells=7, layout="soma") == Spec(cells=7, vars=20_000, layout="soma")
    with pytest.raises(AlbError, match=r"known are mini, mini-soma, .*'alb data make mine --cells N'"):
        resolved("mine", vars=5)


@pytest.mark.parametrize("change", [{"cells": "5"}, {"cells": None}, {"cells": True}, {"extra": 1}])
def test_from_json_refuses_other_fields(change: dict[str, object]) -> None:
    with pytest.raises(AlbError):
        Spec.from_json({**KNOWN["mini"].as_json(), **change})
