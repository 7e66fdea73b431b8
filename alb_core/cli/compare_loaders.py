"""``alb compare-loaders``: loaders side by side, in interleaved rounds."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.base.files import scratch_directory, write_atomically
from alb_core.cli.options import FiniteRange
from alb_core.cli.source import located
from alb_core.datasets.find import dataset_path
from alb_core.loader import order
from alb_core.loader.block_spec import BlockSpec
from alb_core.sweeps import provenance
from alb_core.sweeps.data_loader import ENOUGH_BLOCKS


@click.command("compare-loaders")
@click.argument("dataset")
@click.option("--peers", metavar="A,B", help="Loaders by name, or dotted paths of modules.  [default: all]")
@click.option("--settings", default="default,best", show_default=True, metavar="A,B", help="Of each loader.")
@click.option("--chunk-size", type=click.IntRange(1), default=64, show_default=True, help="Rows read together.")
@click.option("--block-size", type=click.IntRange(1), default=32768, show_default=True, help="Rows shuffled together.")
@click.option("--batch-size", type=click.IntRange(1), default=1024, show_default=True, help="Rows of a batch.")
@click.option("--shuffle/--no-shuffle", default=True, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What orders are drawn from.")
@click.option(
    "--consumer-ms", type=FiniteRange(0), default=0.0, help="Milliseconds that the consumer takes for each batch."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--patience",
    type=FiniteRange(1),
    default=600.0,
    show_default=True,
    help="Seconds without a batch, after which a loader is given up.",
)
@click.option("--json", "document", metavar="FILE", help="All figures as one JSON document; - for stdout.")
@click.option("--keep", is_flag=True, help="Keep the figures beside this machine's results, for the published site.")
@click.option("--machine", metavar="NAME", help="Of this computer, for --keep; asv's own choice by default.")
@click.option("--figure", metavar="FILE", help="Speed against peak memory: .png, .svg, .html or .json.")
def compare_loaders(
    dataset: str,
    peers: str | None,
    settings: str,
    chunk_size: int,
    block_size: int,
    rounds: int,
    patience: float,
    document: str | None,
    keep: bool,
    machine: str | None,
    figure: str | None,
    **given: Any,
) -> int:
    """Run loaders over all rows of DATASET, interleaved, each at its default and at its best setting.

    DATASET is the name or the path of an experiment on this machine. Each run is a process of its own, and its memory
    is that of all its processes. Each loader must deliver every row and value exactly once; one that does not, or
    fails, is named (status 1). The raw `tables()` read of the same rows is the limit. cells/s counts the first batch;
    "after first" leaves it out.
    """
    from alb_core.peers.compare import table
    from alb_core.peers.compare.session import Session
    from alb_core.peers.compare.workload import LoaderWorkload

    if block_size % chunk_size:
        raise AlbError(f"--block-size {block_size} is no multiple of --chunk-size {chunk_size}")
    spec = BlockSpec(chunk_size, block_size // chunk_size)
    _require_places(document, figure)
    modules, chosen = _modules(peers), _settings(settings)
    results, machine = _place_to_keep(keep, machine)
    # Loaders of others are given a path.
    source = located(str(dataset_path(dataset.removeprefix("file://"))))
    workload = LoaderWorkload(dataset, source.location, chunk_size=chunk_size, block_size=block_size, **given)
    processes.preload()  # imports take seconds, beside what is looked at meanwhile
    with scratch_directory("compare") as place:
        session = Session(place, number=rounds, timeout_seconds=patience, bars=progress_bars, say=_say)
        n_rows = session.open(source.location, source.manifest)
        _note_few_blocks(order.n_blocks(n_rows, spec))
        about = {"dataset": dataset, "n_rows": n_rows, "rounds": rounds}
        outcomes = session.compare(workload, modules, chosen)
    if document != "-":
        click.echo("\n".join(table.lines(outcomes)))
    here = {**provenance.of_computer(), **provenance.of_software()}
    content = {**about, **here, "loaders": [outcome.as_json() for outcome in outcomes]}
    if document is not None:
        _write(document, content)
    if machine is not None:
        from alb_core.peers.compare import saved

        _say(f"kept in {saved.keep(results, machine, content)}")
    if figure is not None:
        from alb_core.peers.compare.figure import drawing

        write_atomically(Path(figure), drawing(Path(figure), outcomes, f"{workload}, {rounds} rounds"))
    return int(any(outcome.state in ("wrong", "failed") for outcome in outcomes))


def _say(line: str) -> None:
    """Print a line that is not a result, over the bars."""
    tqdm.write(f"alb: {line}", file=sys.stderr)


def _note_few_blocks(n_blocks: int) -> None:
    if n_blocks < ENOUGH_BLOCKS:
        blocks = "1 block" if n_blocks == 1 else f"{n_blocks} blocks"
        _say(f"an epoch has {blocks}, fewer than {ENOUGH_BLOCKS}: rates after the first batch leave out much reading")


def _modules(peers: str | None) -> list[str]:
    """Modules of the loaders asked for; the raw read, without which there is no limit, comes first and unasked."""
    from alb_core.peers.compare import loaders

    words = list(loaders.NAMES) if peers is None else [loaders.RAW, *filter(None, map(str.strip, peers.split(",")))]
    if len(words) == 1:
        raise AlbError(f"--peers {peers!r} names no loader, expected some of {', '.join(loaders.NAMES)}")
    return list(dict.fromkeys(map(loaders.module_of, words)))


def _settings(words: str) -> list[str]:
    from alb_core.peers.interface import SETTINGS

    found = [word.strip() for word in words.split(",")]
    unknown = [word for word in found if word not in SETTINGS]
    if unknown:
        raise AlbError(f"--settings {words!r}: {unknown[0]!r} is unknown, expected some of {', '.join(SETTINGS)}")
    return found


def _require_places(document: str | None, figure: str | None) -> None:
    """Refuse places where nothing can be written, and figures that cannot be drawn, before anything is measured."""
    for option, word in (("--json", document), ("--figure", figure)):
        if word is None or (option, word) == ("--json", "-"):
            continue
        path = Path(word)
        if path.is_dir():
            raise AlbError(f"{option} {path} is a directory, expected a file")
        if not path.absolute().parent.is_dir():
            raise AlbError(f"{option} {path}: there is no directory {path.absolute().parent}")
    if figure is not None:
        from alb_core.peers.compare.figure import require_drawable

        require_drawable(Path(figure))


def _place_to_keep(keep: bool, machine: str | None) -> tuple[Path, str | None]:
    """Return asv's results directory, and the name under which figures are kept there; None for not at all.

    Before anything is measured: a name that belongs to another computer is refused.
    """
    from alb_core.cli.machines import results_root

    if not keep:
        if machine is not None:
            raise AlbError(f"--machine {machine} is for --keep: give both, or neither")
        return results_root(), None
    from alb_core.peers.compare import saved
    from alb_core.rounds.results import machines

    name = machines.settle(results_root(), machine)
    saved.load(results_root(), name)
    return results_root(), name


class _Bars:
    """Two bars: runs, and rows of the current run."""

    def __init__(self, runs: int) -> None:
        self._runs = tqdm(total=runs, desc="runs", disable=None, leave=False, position=0)
        self._rows: tqdm | None = None

    def begin(self, what: str, rows: int) -> None:
        self.end_rows()
        self._rows = tqdm(total=rows or None, desc=what, unit=" cells", disable=None, leave=False, position=1)

    def rows(self, number: int) -> None:
        if self._rows is not None:
            self._rows.update(number - self._rows.n)

    def end(self) -> None:
        self.end_rows()
        self._runs.update()

    def end_rows(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def close(self) -> None:
        self.end_rows()
        self._runs.close()


def progress_bars(runs: int) -> closing[_Bars]:
    """Show bars on a terminal while loaders run."""
    return closing(_Bars(runs))


def _write(document: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    if document == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(document), text.encode())
