"""One comparison from beginning to end: which loaders, over which datasets, measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.datasets.copies import copies
from alb_core.datasets.manifest import Manifest
from alb_core.peers.compare import dataset_facts, loaders, run
from alb_core.peers.compare.results import Outcome
from alb_core.peers.compare.workload import Contender, LoaderWorkload, expanded

#: Makes what shows the progress of so many runs.
Bars = Callable[[int], Any]


class Session:
    """The loaders and datasets of one comparison, with how they are measured."""

    def __init__(
        self, place: Path, *, number: int, timeout_seconds: float, bars: Bars, say: Callable[[str], None]
    ) -> None:
        self._place = place
        self._number = number
        self._timeout_seconds = timeout_seconds
        self._bars = bars
        self._say = say
        self._datasets: dict[str, run.ComparedDataset] = {}
        self._loaders: dict[str, loaders.LoaderInfo] = {}

    def open(self, location: str, manifest: Manifest | None) -> int:
        """Find out what an experiment holds, before a comparison over it; return the number of its rows."""
        facts = dataset_facts.find(location, self._place / f"facts{len(self._datasets)}")
        reference = None if manifest is None else run.Reference("the manifest", manifest.totals)
        self._datasets[location] = run.ComparedDataset(facts, {}, reference)
        return facts.n_rows

    def ask(self, modules: Sequence[str], workload: LoaderWorkload) -> Mapping[str, Sequence[str]]:
        """Ask each loader what it is and whether it can do what is wanted; return the settings of each, by module."""
        wanted = run.wanted(workload, self._datasets[workload.location], {}, 0)
        with self._bars(len(modules)) as progress:
            for module in modules:
                progress.begin(f"asking {module.rpartition('.')[2]}", 0)
                self._loaders[module] = self._provided(loaders.ask(module, wanted), workload.location)
                progress.end()
        return {module: self._loaders[module].settings for module in modules}

    def _provided(self, loader: loaders.LoaderInfo, location: str) -> loaders.LoaderInfo:
        """Give a loader the copies that it reads; without them it takes no part."""
        dataset = self._datasets[location]
        missing = [form for form in loader.copies if form not in dataset.copies]
        if loader.reason is not None or not missing:
            return loader
        try:
            found = copies.copies(location, missing, has_manifest=dataset.reference is not None)
        except AlbError as error:
            return replace(loader, reason=str(error))
        self._datasets[location] = replace(dataset, copies={**dataset.copies, **found})
        return loader

    def compare(self, workload: LoaderWorkload, modules: Sequence[str], settings: Sequence[str]) -> list[Outcome]:
        """Measure loaders at their settings, all doing the same."""
        has = self.ask(modules, workload)
        return self.run([Contender(workload, one, name) for one in modules for name in expanded(settings, has[one])])

    def run(self, contenders: Sequence[Contender]) -> list[Outcome]:
        """Measure contenders."""
        with self._bars(sum(1 if one.proof_only else self._number + 1 for one in contenders)) as progress:
            return run.run(
                contenders,
                self._loaders,
                self._datasets,
                number=self._number,
                timeout_seconds=self._timeout_seconds,
                progress=progress,
                say=self._say,
            )
