"""Sweeps over real experiments, and which part of one is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tiny import Tiny

from alb_core.base import processes
from alb_core.base.checksum import Totals
from alb_core.base.errors import WrongResultError
from alb_core.loader.block_spec import BlockSpec
from alb_core.sweeps import data_loader, records
from alb_core.sweeps.data_loader import Configuration, SweepEpoch, SweepSettings, SweepStart, interrupted

BUFFERS = {"py_buffer_size": 2**24, "soma_buffer_size": 2**24}
ONE = Configuration(BlockSpec(16, 4), "np.array")
TWO = Configuration(BlockSpec(16, 4), "scipy.csr")
THREE = Configuration(BlockSpec(8, 4), "np.array")
WHEN = datetime(2026, 1, 2, 3, 4, 5)


def _settings(tiny: Tiny, **settings: Any) -> SweepSettings:
    return SweepSettings("typed", tiny.uri, **{"batch_size": 100, "cuda": False, "quiet": True, **BUFFERS, **settings})


def _run(
    settings: SweepSettings, configurations=(ONE,), n_epochs: int = 1, **given: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    said: list[str] = []
    given = {"shared": {}, "expected": None, **given}
    return list(data_loader.run(settings, configurations, n_epochs, say=said.append, **given)), said


def test_what_is_done_is_not_done_again(tiny: Tiny) -> None:
    done = {data_loader.key(ONE, 0), data_loader.key(ONE, 1), data_loader.key(TWO, 1)}
    rows, _ = _run(_settings(tiny), [ONE, TWO], 3, done=done)
    keys = [(row["chunk_method"], row["epoch"]) for row in rows]
    assert keys == [("np.array", 2), ("scipy.csr", 0), ("scipy.csr", 2)]
    whole, _ = _run(_settings(tiny), [ONE, TWO], 3)
    assert [row["nnz"] for row in rows] == [row["nnz"] for row in whole][:3]
    everything = {data_loader.key(ONE, number) for number in range(3)}
    assert _run(_settings(tiny), [ONE], 3, done=everything) == ([], [])


def test_a_wrong_epoch_is_no_record(tiny: Tiny) -> None:
    for name in ("n_rows", "nnz", "total"):
        expected = replace(tiny.totals, **{name: getattr(tiny.totals, name) + 1})
        with pytest.raises(WrongResultError, match=r"^4x16 np.array, epoch 0: wrong result: \w.* expected "):
            _run(_settings(tiny), expected=expected)
    rows, _ = _run(_settings(tiny, max_batches=2), expected=Totals(0, 0, 0))
    assert rows[0]["n_rows"] == 200, "part of an epoch cannot be held against the whole"


def test_without_a_manifest_the_first_epoch_says(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    run = processes.iterate

    def watched(function: str, *arguments: Any) -> Iterator[Any]:
        asked.append(arguments[-1])
        return run(function, *arguments)

    monkeypatch.setattr(processes, "iterate", watched)
    _run(_settings(tiny), [ONE, TWO], 2)
    assert asked == [None, replace(tiny.totals, checksum=None)]


def test_what_a_reader_of_the_figures_must_know_is_said(tiny: Tiny) -> None:
    few = Configuration(BlockSpec(100, 1), "np.array")
    rows, said = _run(_settings(tiny), [ONE, few])
    assert [row["n_blocks"] for row in rows] == [11, 7]
    assert said == [
        "1x100 np.array: an epoch has 7 blocks, fewer than 8: a rate without the first batch leaves out the reading of "
        "its block (-F counts it)"
    ]
    assert _run(_settings(tiny, count_first=True), [few])[1] == []


def test_the_lack_of_cuda_is_said_once_and_only_if_it_was_wanted(tiny: Tiny) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    rows, said = _run(_settings(tiny, cuda=True), [ONE, TWO])
    assert [row["device"] for row in rows] == ["cpu", "cpu"]
    assert said == ["no CUDA here: batches stay in the memory of the CPU (-C says that this is meant)"]


def test_out_of_memory_is_a_record_and_the_sweep_goes_on(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """That an epoch can run out of memory is tried with a real one where the command is tested."""
    run = processes.iterate
    opened = SweepStart(n_rows=700, n_vars=150, n_blocks=11, device="cpu", libtiledb_version="2")

    def short(function: str, settings: SweepSettings, configuration: Configuration, numbers, expected) -> Iterator[Any]:
        if configuration is ONE:
            yield opened
            for number in numbers[:2]:
                yield SweepEpoch({"epoch": number}, tiny.totals)
            raise processes.OutOfMemoryError("out of memory: killed by the system")
        if configuration is THREE:
            raise processes.OutOfMemoryError("out of memory: nothing could be opened")
        yield from run(function, settings, configuration, numbers, expected)

    monkeypatch.setattr(processes, "iterate", short)
    rows, said = _run(_settings(tiny), [ONE, THREE, TWO], 4, done={data_loader.key(ONE, 1)})
    assert [(row["chunk_size"], row["chunk_method"], row["epoch"], row["oom"]) for row in rows] == [
        (16, "np.array", 0, False),
        (16, "np.array", 2, False),
        (16, "np.array", 3, True),
        (8, "np.array", 0, True),
        *((16, "scipy.csr", number, False) for number in range(4)),
    ]
    assert said == [
        "4x16 np.array, epoch 3: out of memory: killed by the system",
        "4x8 np.array, epoch 0: out of memory: nothing could be opened",
    ]
    ended = rows[2]
    assert "elapsed" not in ended and "n_rows" not in ended and "max_mem" not in ended
    assert ended["total_rows"] == 700 and ended["start_dt"] <= ended["end_dt"]


def test_secrets_are_not_recorded() -> None:
    secret = {
        "vfs.s3.aws_access_key_id": "hush",
        "vfs.s3.aws_secret_access_key": "hush",
        "vfs.s3.aws_session_token": "hush",
        "vfs.azure.storage_account_key": "hush",
        "rest.token": "hush",
        "rest.password": "hush",
        "vfs.gcs.service_account_credentials": "hush",
    }
    settings = SweepSettings("u", "l", config={**secret, "vfs.s3.region": "eu", "sm.mem.malloc_trim": "false"})
    assert settings.columns()["tiledb_config"] == "sm.mem.malloc_trim=false vfs.s3.region=eu"
    assert "hush" not in str(settings.columns())


# -- going on ----------------------------------------------------------------------------------------------------------

SETTINGS = SweepSettings("typed", "somewhere")
SAME = {**SETTINGS.columns(), "hostname": "me", "sha": None}


def _rows(*keys: tuple[Configuration, int], began: datetime = WHEN, **columns: Any) -> list[dict[str, Any]]:
    shared = {**SAME, "alb_start_dt": began, "oom": False, **columns}
    return [{**shared, **configuration.columns(), "epoch": number} for configuration, number in keys]


def _left(rows: list[dict[str, Any]], n_epochs: int = 2, **same: Any) -> tuple[datetime | None, set[data_loader.Key]]:
    return interrupted(records.as_table(rows), {**SAME, **same}, [ONE, TWO], n_epochs)


def test_the_latest_sweep_goes_on() -> None:
    earlier = _rows((ONE, 0), (ONE, 1), (TWO, 0), (TWO, 1), began=WHEN - timedelta(days=1))
    latest = _rows((ONE, 0), (ONE, 1))
    assert _left(latest + earlier) == (WHEN, {data_loader.key(ONE, 0), data_loader.key(ONE, 1)})
    assert _left([]) == (None, set())


def test_only_epochs_that_are_asked_for_count() -> None:
    began, done = _left(_rows((ONE, 0), (ONE, 7), (THREE, 0)))
    assert (began, done) == (WHEN, {data_loader.key(ONE, 0)})


def test_out_of_memory_stands_for_the_epochs_after_it() -> None:
    rows = _rows((ONE, 0)) + _rows((ONE, 1), oom=True) + _rows((TWO, 0), oom=True)
    assert _left(rows, 4)[1] == {data_loader.key(item, number) for item in (ONE, TWO) for number in range(4)}
    assert _left(rows[:1], 4)[1] == {data_loader.key(ONE, 0)}
    assert _left(_rows((ONE, 2), oom=True), 4)[1] == {data_loader.key(ONE, 2), data_loader.key(ONE, 3)}


@pytest.mark.parametrize(
    "change",
    [
        {"uri": "another"},
        {"shuffle": "none"},
        {"seed": 1},
        {"batch_size": 1},
        {"max_batches": 1},
        {"count_first": True},
        {"collect_every": 1},
        {"py_buffer_size": 1},
        {"soma_buffer_size": 1},
        {"config": {"sm.mem.malloc_trim": "false"}},
        {"measurement": "ATAC"},
        {"layer": "normalized"},
    ],
    ids=str,
)
def test_a_sweep_of_other_settings_does_not_go_on(change: dict[str, Any]) -> None:
    rows = _rows((ONE, 0))
    assert _left(rows)[0] == WHEN
    assert _left(rows, **replace(SETTINGS, **change).columns()) == (None, set())


def test_a_sweep_of_another_computer_or_commit_does_not_go_on() -> None:
    rows = _rows((ONE, 0))
    assert _left(rows, hostname="other") == (None, set())
    assert _left(rows, sha="0" * 40) == (None, set())
    assert _left(_rows((ONE, 0), sha="0" * 40)) == (None, set())
    assert _left(_rows((ONE, 0), sha="0" * 40), sha="0" * 40)[0] == WHEN
