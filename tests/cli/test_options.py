from __future__ import annotations

import pytest

from alb_core.base.errors import AlbError
from alb_core.cli.options import one_of, pairs, tiledb_config

NAMES = ("np.array", "scipy.coo", "scipy.csr", "table", "table_large")


def test_pairs() -> None:
    assert pairs("-M", ["a=1", " b = c=d ", "e=", "a=2"]) == {"a": "2", "b": " c=d ", "e": ""}
    for word in ("a", "", "=1", " =1"):
        with pytest.raises(AlbError, match=f"^-M '{word}': expected KEY=VALUE$"):
            pairs("-M", ["fine=1", word])


def test_the_region_wins_over_the_same_option_of_tiledb() -> None:
    words = ["vfs.s3.region=eu", "vfs.s3.scheme=http"]
    assert tiledb_config("us", words) == {"vfs.s3.region": "us", "vfs.s3.scheme": "http"}
    assert tiledb_config(None, words)["vfs.s3.region"] == "eu"
    assert tiledb_config(None, []) == {}


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("n", "np.array"),
        ("np.array", "np.array"),
        ("scipy.cs", "scipy.csr"),
        ("table", "table"),
        ("table_", "table_large"),
    ],
)
def test_a_prefix_of_one_name_is_that_name(prefix: str, name: str) -> None:
    assert one_of("method", prefix, NAMES) == name


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("scipy", "method 'scipy' fits scipy.coo, scipy.csr, expected one of np.array, "),
        ("tab", "method 'tab' fits table, table_large"),
        ("", "method '' is unknown, expected one of np.array"),
        ("NP", "method 'NP' is unknown"),
        ("np.arrays", "method 'np.arrays' is unknown"),
    ],
)
def test_other_prefixes_are_told(prefix: str, words: str) -> None:
    with pytest.raises(AlbError) as caught:
        one_of("method", prefix, NAMES)
    assert words in str(caught.value)
