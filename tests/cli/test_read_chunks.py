"""``alb read-chunks`` as it is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SMALL, alb, contradict, dataset
from s3 import S3
from terminal import on_a_terminal
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.base.paths import DATA_VARIABLE
from alb_core.cli.main import main

READERS = ["table", "blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"]
LINE = re.compile(
    r"read_(?P<reader>\w+) elapsed: (?P<elapsed>\d+\.\d\d)s  (?P<rate>[\d,]+) cells/s  "
    r"(?P<nnz>[\d,]+) non-zeros  peak memory (?P<peak>\d+\.\d\d) GiB"
)


@pytest.fixture
def run(root: Path, tried: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., Any]:
    """Run the command in this process; returns its status, what its lines say, and lines on stderr."""
    monkeypatch.setenv(DATA_VARIABLE, str(root))

    def run(*words: str, uri: str = "tried") -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["read-chunks", uri, "-c", "100", *SMALL, *words])
        out, err = capsys.readouterr()
        if "--json" in words:
            return ended.value.code, json.loads(out), err.splitlines()
        lines = [LINE.fullmatch(line) for line in out.splitlines()]
        assert None not in lines, out
        return ended.value.code, [line.groupdict() for line in lines if line], err.splitlines()

    return run


@pytest.mark.parametrize("words", [(), ("-s",), ("-ss",)])
def test_a_line_for_each_reader(run: Any, tried: Tiny, words: tuple[str, ...]) -> None:
    status, lines, said = run(*words)
    assert (status, said) == (0, [])
    assert [line["reader"] for line in lines] == READERS
    for line in lines:
        assert int(line["nnz"].replace(",", "")) == np.count_nonzero(tried.x)
        assert 0.1 < float(line["peak"]) < 1
        elapsed, rate = float(line["elapsed"]), int(line["rate"].replace(",", ""))
        assert 700 / (elapsed + 0.006) < rate and (elapsed < 0.006 or rate < 700 / (elapsed - 0.006))


@pytest.mark.parametrize(
    ("words", "shuffle"), [(("-s", "-r", "5"), "chunk"), (("-ss", "-r", str(2**62)), "global"), ((), "none")]
)
def test_all_figures_as_one_document(run: Any, tried: Tiny, words: tuple[str, ...], shuffle: str) -> None:
    status, document, said = run("--json", "-m", "table,blockwise_t", *words)
    assert (status, said) == (0, [])
    assert {
        "uri": "tried",
        "shuffle": shuffle,
        "seed": int(words[-1]) if words else 0,
        "chunk_size": 100,
        "n_vars": 20_000,
        "py_buffer_size": 2**24,
        "soma_buffer_size": 2**24,
        "measurement": "RNA",
        "layer": "raw",
    }.items() <= document.items()
    assert document["tiledbsoma_version"] and document["hostname"]
    assert [item["reader"] for item in document["readers"]] == ["table", "blockwise_table"]
    for item in document["readers"]:
        assert (item["n_rows"], item["n_chunks"]) == (700, 7)
        assert (item["nnz"], item["total"]) == (np.count_nonzero(tried.x), tried.x.sum(dtype=np.float64))
        assert item["cells_per_second"] == pytest.approx(700 / item["elapsed"])
        assert item["first_chunk"] < item["elapsed"]
        assert item["max_mem"] > 10**8 and item["read_bytes"] > 10_000


def test_the_first_vars(run: Any, tried: Tiny) -> None:
    for n_vars in (1, 7, 149):
        status, lines, _ = run("-V", str(n_vars), "-m", "blockwise_scipy_cs, t,table")
        counts = {int(line["nnz"].replace(",", "")) for line in lines}
        assert (status, counts) == (0, {np.count_nonzero(tried.x[:, :n_vars])})
        assert [line["reader"] for line in lines] == ["blockwise_scipy_csr", "table"], "by prefixes, and once"


def test_what_the_manifest_does_not_say_fails(run: Any, root: Path) -> None:
    truth = dataset(root / "soma" / "wrong")
    right = int(np.count_nonzero(truth.x))
    contradict(root / "soma" / "wrong", nnz=right - 1)
    status, lines, said = run(uri="wrong")
    assert (status, lines, len(said)) == (1, [], 1)
    assert f"alb: read_table read {right:,} elements" in said[0]
    assert f"the manifest says {right - 1:,}" in said[0]
    status, lines, said = run("-V", "150", uri="wrong")
    assert status == 1, "all vars, however they are asked for"
    status, lines, said = run("-V", "149", "-m", "t", uri="wrong")
    assert (status, len(lines)) == (0, 1), "of fewer vars the manifest says nothing"


def test_an_experiment_without_values(run: Any, tmp_path: Path) -> None:
    uri = write_tables(tmp_path / "empty", joinids(300), joinids(9), coordinates([], [], []))
    status, lines, _ = run(uri=uri)
    assert status == 0
    assert [(line["reader"], line["nnz"]) for line in lines] == [(reader, "0") for reader in READERS]


def test_a_line_for_each_chunk_and_no_progress_bar_in_a_pipe(root: Path, tried: Tiny) -> None:
    words = ("read-chunks", "tried", "-c", "300", "-m", "table", *SMALL)
    done = alb(*words, "-v", data=root)
    assert done.returncode == 0
    told = [
        (f"{stop} of 700 rows", np.count_nonzero(tried.x[start:stop]))
        for start, stop in ((0, 300), (300, 600), (600, 700))
    ]
    assert [line.rpartition(" in ")[0] for line in done.stderr.splitlines()] == [
        f"read_table: {rows}, {nnz:,} non-zeros" for rows, nnz in told
    ]
    assert LINE.fullmatch(done.stdout.removesuffix("\n"))


def test_progress_on_a_terminal_does_not_mix_with_the_results(root: Path, tried: Tiny) -> None:
    lines = on_a_terminal(root, "read-chunks", "tried", "-c", "10", "-m", "table,blockwise_table", *SMALL)
    assert any("read_table:" in line and "/700" in line for line in lines), "there was a bar"
    results = [line.rpartition("\r")[2] for line in lines if "elapsed" in line]
    assert [bool(LINE.fullmatch(line)) for line in results] == [True, True], results


def test_an_experiment_on_s3(s3_server: S3, run: Any, tried: Tiny) -> None:
    uri = s3_server.upload(Path(tried.uri), "chunks", "some/tried")
    keys = ("vfs.s3.aws_access_key_id=testing", "vfs.s3.aws_secret_access_key=testing")
    words = ("-m", "table", *s3_server.words, *(word for key in keys for word in ("--tiledb", key)))
    status, [line], said = run(*words, uri=uri)
    assert (status, said, int(line["nnz"].replace(",", ""))) == (0, [], np.count_nonzero(tried.x))
    status, lines, said = run(*words, uri="s3://chunks-nowhere/none")
    assert (status, lines, len(said)) == (2, [], 1)
    assert "or bucket, region or credentials are wrong" in said[0] and "testing" not in said[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-sss", "-s is given 3 times, expected 2 at most"),
        ("-c 0", "0 is not in the range x>=1"),
        ("-c 9999999999999999999999", "9999999999999999999999 is beyond 64 bits"),
        ("-m nothing", "reader 'nothing' is unknown, expected one of table, blockwise_table"),
        ("-m blockwise", "reader 'blockwise' fits blockwise_table, blockwise_scipy_coo, blockwise_scipy_csr"),
        ("-m t,", "reader '' is unknown"),
        ("--tiledb nothing", "--tiledb 'nothing': expected KEY=VALUE"),
        ("--layer normalized", "has no X layer 'normalized', expected one of raw"),
        ("--measurement ATAC", "has no measurement 'ATAC', expected one of RNA"),
        ("again", "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    words: str, said: str, tried: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    assert said in refused("read-chunks", tried.uri, *words.split())
    assert list(tmp_path.iterdir()) == []
