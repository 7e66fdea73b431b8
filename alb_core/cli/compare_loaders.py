"""``alb compare-loaders``: loaders side by side, in interleaved rounds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from tqdm import tqdm

from alb_core import isolated, provenance
from alb_core.block_spec import BlockSpec
from alb_core.cli.options import say
from alb_core.cli.source import Source as Dataset
from alb_core.cli.source import located
from alb_core.errors import AlbError
from alb_core.files import write_atomically


@click.command("compare-loaders")
@click.argument("dataset")
@click.option("--peers", "peers", metavar="A,B", help="Loaders by name, or dotted paths of modules.  [default: all]")
@click.option("--settings", default="default,best", show_default=True, metavar="A,B", help="Of each loader.")
@click.option("--chunk-size", type=click.IntRange(1), default=64, show_default=True, help="Rows read together.")
@click.option("--block-size", type=click.IntRange(1), default=32768, show_default=True, help="Rows shuffled together.")
@click.option("--batch-size", type=click.IntRange(1), default=1024, show_default=True, help="Rows of a batch.")
@click.option("--shuffle/--no-shuffle", default=True, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What orders are drawn from.")
@click.option(
    "--consumer-ms", type=click.FloatRange(0), default=0.0, help="Milliseconds that the consumer takes for each batch."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--patience",
    type=click.FloatRange(1),
    default=600.0,
    show_default=True,
    help="Seconds without a batch, after which a loader is given up.",
)
@click.option("--json", "document", metavar="FILE", help="All figures as one JSON document; - for stdout.")
def compare_loaders(
    dataset: str,
    peers: str | None,
    settings: str,
    chunk_size: int,
    block_size: int,
    rounds: int,
    patience: float,
    document: str | None,
    **given: Any,
) -> int:
    """Run loaders over all rows of DATASET, interleaved, each at its default and at its best setting.

    DATASET is the name or the path of an experiment on this machine. Each run is a process of its own; all deliver the
    same rows, exactly once, or are named (status 1). The raw `tables()` read of the same rows is the limit.
    """
    from alb_core.compare import measure, plan, table

    modules = _modules(peers)
    asked = _settings(settings)
    if block_size % chunk_size:
        raise AlbError(f"--block-size {block_size} is no multiple of --chunk-size {chunk_size}")
    BlockSpec(chunk_size, block_size // chunk_size)
    if document not in (None, "-"):
        _require_place("--json", Path(document))
    isolated.start()
    source = _local(dataset)
    workload = plan.Workload(dataset, source.location, chunk_size=chunk_size, block_size=block_size, **given)
    with TemporaryDirectory(prefix="alb-compare-") as place:
        members, sources = _gathered(source, workload, modules, Path(place))
        contenders = [
            plan.Contender(workload, module, setting)
            for module in modules
            for setting in plan.expanded(asked, members[module].settings)
        ]
        with _bars(len(contenders) * (rounds + 1)) as progress:
            outcomes = measure.run(
                contenders, members, sources, number=rounds, patience=patience, progress=progress, say=say
            )
    if document != "-":
        click.echo("\n".join(table.lines(outcomes)))
    if document is not None:
        _write(document, {**_about(source, workload, rounds), "loaders": [outcome.as_json() for outcome in outcomes]})
    return int(any(outcome.state in ("wrong", "failed") for outcome in outcomes))


def _modules(peers: str | None) -> list[str]:
    """Modules of the loaders asked for; the raw read, without which there is no limit, comes first and unasked."""
    from alb_core.compare import cast

    words = list(cast.NAMES) if peers is None else [cast.RAW, *filter(None, map(str.strip, peers.split(",")))]
    if len(words) == 1:
        raise AlbError(f"--peers {peers!r} names no loader, expected some of {', '.join(cast.NAMES)}")
    return list(dict.fromkeys(map(cast.module_of, words)))


def _settings(words: str) -> list[str]:
    from alb_core.peers.contract import SETTINGS

    found = [word.strip() for word in words.split(",")]
    unknown = [word for word in found if word not in SETTINGS]
    if unknown:
        raise AlbError(f"--settings {words!r}: {unknown[0]!r} is unknown, expected some of {', '.join(SETTINGS)}")
    return found


def _local(word: str) -> Dataset:
    """Dataset on this machine: loaders of others are given a path."""
    if "://" in word and not word.startswith("file://"):
        raise AlbError(f"{word} is a URI, expected the name or the path of a dataset on this machine")
    return located(word)


def _require_place(option: str, path: Path) -> None:
    """Refuse a place where nothing can be written, before anything is measured."""
    if path.is_dir():
        raise AlbError(f"{option} {path} is a directory, expected a file")
    if not path.absolute().parent.is_dir():
        raise AlbError(f"{option} {path}: there is no directory {path.absolute().parent}")


def _gathered(dataset: Dataset, workload: Any, modules: Sequence[str], place: Path) -> tuple[Any, Any]:
    """Find out what the dataset holds, and which loaders take part."""
    from alb_core.compare import cast, facts, measure

    found = facts.find(dataset.location, place / "facts")
    manifest = dataset.manifest
    holdings = None
    if manifest is not None:
        figures = manifest.n_obs, manifest.nnz, manifest.x_sum, manifest.x_checksum
        holdings = measure.Holdings("the manifest", *figures)
    source = measure.Source(found, {}, holdings)
    with tqdm(modules, desc="asking loaders", disable=None, leave=False) as bar:
        wanted = measure.wanted(workload, source, {}, 0)
        members = cast.invited(modules, wanted, lambda module: bar.update() and None)
    return {member.module: member for member in members}, {dataset.location: source}


class _Bars:
    """Two bars: runs, and rows of the run that goes on."""

    def __init__(self, runs: int) -> None:
        self._runs = tqdm(total=runs, desc="runs", disable=None, leave=False, position=0)
        self._rows: tqdm | None = None

    def begin(self, what: str, rows: int) -> None:
        self._rows = tqdm(total=rows, desc=what, unit=" cells", disable=None, leave=False, position=1)

    def rows(self, number: int) -> None:
        if self._rows is not None:
            self._rows.update(number - self._rows.n)

    def end(self) -> None:
        if self._rows is not None:
            self._rows.close()
        self._runs.update()

    def close(self) -> None:
        self._runs.close()


@contextmanager
def _bars(runs: int) -> Iterator[_Bars]:
    bars = _Bars(runs)
    try:
        yield bars
    finally:
        bars.close()


def _about(source: Dataset, workload: Any, rounds: int) -> dict[str, Any]:
    return {
        "dataset": source.uri,
        "n_rows": None if source.manifest is None else source.manifest.n_obs,
        "rounds": rounds,
        **provenance.of_computer(),
        **provenance.of_software(),
    }


def _write(document: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    if document == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(document), text.encode())
