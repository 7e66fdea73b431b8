"""``alb data-loader`` as it is typed: what it refuses, in one line, with nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.base.paths import DATA_VARIABLE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-b 1x", "block spec '1x', expected '2048x64'"),
        ("-b 131072/3", "(2 left over), expected as many as divide them, such as '131072 / 2' or '131072 / 4'"),
        ("-b 8/[1,3]", "expected a power of two between them, such as '8 / [1,2]' or '8 / [1,4]'"),
        ("-e5 -b8192 / [1, 512]", "the shell has split a block spec into words: quote it, -b '8192 / [1, 512]' or"),
        ("-b 8192 / 4", "quote it, -b '8192 / 4'"),
        ("-b 0", "expected whole numbers of 1 or more"),
        ("-b -4", "block spec '-4'"),
        ("-m nothing", "method 'nothing' is unknown, expected one of np.array, scipy.coo, scipy.csr"),
        ("-m scipy", "method 'scipy' fits scipy.coo, scipy.csr"),
        ("-m np,", "method '' is unknown"),
        ("-sss", "-s is given 3 times, expected 2 at most"),
        ("-s -m np", "-s and -m np both choose the method"),
        ("-e 0", "0 is not in the range x>=1"),
        ("--shuffle chunk", "'chunk' is not one of 'none', 'block', 'global'"),
        ("-M rack", "-M 'rack': expected KEY=VALUE"),
        ("-M =5", "-M '=5': expected KEY=VALUE"),
        ("-M elapsed=5", "-M elapsed=5: that column is measured; free are host, "),
        ("-M checksum=5", "that column is measured"),
        ("--tiledb vfs.s3.region", "--tiledb 'vfs.s3.region': expected KEY=VALUE"),
        ("-D -d elsewhere", "-D records nothing: leave out -d"),
        ("-D --resume", "-D records nothing: leave out --resume"),
        ("--layer normalized", "has no X layer 'normalized', expected one of raw"),
        ("--measurement ATAC", "has no measurement 'ATAC', expected one of RNA"),
        ("--slice 2-7", "--slice '2-7': expected the first of the source datasets and the last plus 1, such as 2:7"),
        ("--slice 7:2", "--end is 2, expected more than --start, which is 7"),
        ("again", "unexpected extra argument"),
        ("-d {file}", "is no parquet file, or another program is writing it"),
        ("-d {file}/epochs.parquet", "cannot write {file}/epochs.parquet: {file} is no directory"),
        ("-S 1", "reading {uri} failed: "),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    words: str, said: str, tried: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    _require_refused(refused, tried.uri, words, said, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nothing", "no dataset nothing in "),
        ("{tmp}/nothing", "no dataset at {tmp}/nothing"),
        ("{file}", "no SOMA experiment at {file}: "),
        ("{tmp}", "no SOMA experiment at {tmp}: "),
        ("{tried}/obs", "no SOMA experiment at {tried}/obs: "),
        ("{tried}/ms", "no SOMA experiment at {tried}/ms: "),
        ("{tried}/ms/RNA/X/raw", "no SOMA experiment at {tried}/ms/RNA/X/raw: "),
        ("no rows", "obs of {uri} has no rows, expected one at least"),
        ("dense", "X layer 'raw' of {uri} is a DenseNDArray, expected a SparseNDArray"),
        ("named", "{uri} has no X layer 'raw', expected one of normal"),
        ("s3://", "s3:// names no bucket, expected s3://BUCKET/PATH"),
        ("what://is/this", "no SOMA experiment at what://is/this: "),
        ("", "nothing stands after data-loader"),
    ],
)
def test_what_is_no_experiment_is_one_line(
    kind: str, said: str, tried: Tiny, tmp_path: Path, tmp_path_factory: Any, monkeypatch: Any, refused: Any
) -> None:
    other = tmp_path_factory.mktemp("other") / "experiment"
    uri = kind.format(tmp=tmp_path, tried=tried.uri, file=tmp_path / "file")
    if kind == "dense":
        uri = write_tables(other, joinids(20), joinids(5), np.ones((20, 5), np.float32))
    elif kind == "no rows":
        uri = write_tables(other, joinids(0), joinids(5), coordinates([], [], []))
    elif kind == "named":
        uri = write_tables(other, joinids(20), joinids(5), coordinates([1], [2], [3]), "normal")
    said = said.format(tmp=tmp_path, tried=tried.uri, file=tmp_path / "file", uri=uri)
    _require_refused(refused, uri, "", said, tmp_path, monkeypatch)


def _require_refused(refused: Any, uri: str, words: str, said: str, tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    assert said.format(file=file, uri=uri) in refused("data-loader", uri, "-C", *words.format(file=file).split())
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "mine"
