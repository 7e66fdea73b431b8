"""The order of the rounds, and which settings are measured."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import WORKLOAD

from alb_core.peers.compare.workload import Contender, LoaderWorkload, expanded, rounds


@given(st.integers(0, 7), st.integers(1, 6))
def test_each_takes_part_once_a_round_and_no_round_waits_for_another(n: int, number: int) -> None:
    contenders = [Contender(WORKLOAD, f"m{place}", "default") for place in range(n)]
    turns = list(rounds(contenders, number))
    assert [turn for turn, _ in turns] == sorted(turn for turn, _ in turns)
    assert Counter((turn, one.module) for turn, one in turns) == Counter(
        (turn, one.module) for turn in range(number) for one in contenders
    )


def test_another_one_is_first_in_each_round() -> None:
    contenders = [Contender(WORKLOAD, module, "default") for module in "abcdef"]
    order = "".join(one.module for _, one in rounds(contenders, 3))
    assert order == "abcdef" + "cdefab" + "efabcd"


@pytest.mark.parametrize(
    ("asked", "has", "found"),
    [
        (["default", "best"], ["default", "best"], ["default", "best"]),
        (["best"], ["default", "16 MiB", "64 MiB"], ["16 MiB", "64 MiB"]),
        (["default", "best"], ["default", "a"], ["default", "a"]),
        (["best"], ["default"], ["best"]),
        (["default"], [], ["default"]),
    ],
)
def test_the_best_setting_is_one_or_several_that_may_be_it(asked: list[str], has: list[str], found: list[str]) -> None:
    assert expanded(asked, has) == found


def test_words_for_people() -> None:
    assert str(WORKLOAD) == "small, chunks of 64, blocks of 32,768"
    slow = LoaderWorkload("small", "/x", shuffle=False, consumer_ms=100, rows=16384, passes=2)
    assert str(slow) == "small, sequential, the first 16,384 rows 2 times, a consumer of 100 ms"
    assert str(Contender(WORKLOAD, "alb_core.peers.ours", "best", note="more")) == "ours (best, more)"
