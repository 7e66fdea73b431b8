"""One comparison from beginning to end: who takes part, over what, measured; and where the goals stand by it."""

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
from alb_core.peers.compare.workload import Contender, Workload, expanded
from tools import loader_goals

#: Makes what shows the progress of so many runs.
Bars = Callable[[int], Any]


class Session:
    """What a comparison is made with."""

    def __init__(self, place: Path, *, number: int, patience: float, bars: Bars, say: Callable[[str], None]) -> None:
        self._place = place
        self._number = number
        self._patience = patience
        self._bars = bars
        self._say = say
        self._sources: dict[str, run.Source] = {}
        self._members: dict[str, loaders.Member] = {}

    def look(self, location: str, manifest: Manifest | None) -> int:
        """Find out what an experiment holds; return its rows."""
        found = dataset_facts.find(location, self._place / f"facts{len(self._sources)}")
        holdings = None
        if manifest is not None:
            figures = manifest.n_obs, manifest.nnz, manifest.x_sum, manifest.x_checksum
            holdings = run.Holdings("the manifest", *figures)
        self._sources[location] = run.Source(found, {}, holdings)
        return found.n_rows

    def invite(self, modules: Sequence[str], workload: Workload) -> Mapping[str, Sequence[str]]:
        """Ask each loader what it is and whether it can do what is wanted; return the settings of each, by module."""
        wanted = run.wanted(workload, self._sources[workload.location], {}, 0)
        with self._bars(len(modules)) as progress:
            for module in modules:
                progress.begin(f"asking {module.rpartition('.')[2]}", 0)
                self._members[module] = self._provided(loaders.asked(module, wanted), workload.location)
                progress.end()
        return {module: self._members[module].settings for module in modules}

    def _provided(self, member: loaders.Member, location: str) -> loaders.Member:
        """Give a loader the copies that it reads; without them it takes no part."""
        source = self._sources[location]
        missing = [form for form in member.copies if form not in source.copies]
        if member.reason is not None or not missing:
            return member
        try:
            found = copies.copies(location, missing, has_manifest=source.holdings is not None)
        except AlbError as error:
            return replace(member, reason=str(error))
        self._sources[location] = replace(source, copies={**source.copies, **found})
        return member

    def compare(self, workload: Workload, modules: Sequence[str], settings: Sequence[str]) -> list[Outcome]:
        """Measure loaders at their settings, all doing the same."""
        has = self.invite(modules, workload)
        return self._run([Contender(workload, one, name) for one in modules for name in expanded(settings, has[one])])

    def goals(
        self, workload: Workload, retiled: Workload | None, why: Mapping[str, str], disk: Mapping[str, int]
    ) -> tuple[list[Outcome], list[loader_goals.Verdict]]:
        """Measure what the goals need."""
        has = self.invite(loader_goals.MODULES, workload)
        n_rows = self._sources[workload.location].found.n_rows
        chosen = loader_goals.roles_for_goals(workload, n_rows, retiled, has)
        contenders: list[Contender] = []
        for one in (one for role in chosen.values() for one in role):
            if one not in contenders:  # what two goals need is measured once
                contenders.append(one)
        outcomes = self._run(contenders)
        by_role = {role: [outcomes[contenders.index(one)] for one in ones] for role, ones in chosen.items()}
        return outcomes, loader_goals.verdicts(by_role, why, disk)

    def _run(self, contenders: Sequence[Contender]) -> list[Outcome]:
        with self._bars(sum(1 if one.proof_only else self._number + 1 for one in contenders)) as progress:
            return run.run(
                contenders,
                self._members,
                self._sources,
                number=self._number,
                patience=self._patience,
                progress=progress,
                say=self._say,
            )


def disk_bytes(path: Path) -> int:
    """Size of all files of a directory, in bytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
