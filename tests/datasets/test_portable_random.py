import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alb_core.datasets.synthetic.portable_random import RandomStream

GOLDEN = [33375, 55746, 60367, 41743, 55073, 33497]


def test_the_bits_are_those_of_every_machine() -> None:
    assert RandomStream(0, 0).uint16(6).tolist() == GOLDEN
    assert RandomStream(0, 0, 1).uint16(6).tolist() != GOLDEN
    assert RandomStream(0, 1).uint16(6).tolist() != GOLDEN


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 40))
def test_words_drawn_together_or_one_after_another_are_the_same(words: list[int], more: int) -> None:
    parts = RandomStream(7, 3)
    drawn = [parts.uint16(4 * count) for count in words] + [parts.uint16(more)]
    assert np.array_equal(np.concatenate(drawn), RandomStream(7, 3).uint16(4 * sum(words) + more))


def test_normal_has_its_moments() -> None:
    drawn = RandomStream(1, 2).normal(100_000) / 65_536
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
    assert np.abs(drawn).max() <= 6


def test_below_is_uniform_and_below() -> None:
    drawn = RandomStream(1, 2).below(10, 100_000)
    assert np.bincount(drawn, minlength=10).min() > 9_500
    assert drawn.max() == 9
