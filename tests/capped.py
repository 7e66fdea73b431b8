"""A program that reads an experiment twice under a cap of memory, and prints the cap. Arguments: the experiment, the
bytes that each reading process may have beyond what one holds that has read nothing, and the loader's as JSON."""

import json
import sys

import alb_core.loader.packing.pipeline  # noqa: F401 (what a process that reads needs, so that it is in what this one holds)
from alb_core.base import memory
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader


def main(uri: str, more: str, arguments: str) -> None:
    given = {"num_workers": 0, **json.loads(arguments)}
    processes = max(1, given["num_workers"])
    held = memory.held_bytes()
    cap = held * (1 + given["num_workers"]) + int(more) * processes
    with SomaLoader(uri, BlockSpec(64, 32), method="numba", batch_size=256, max_memory=cap, **given) as loader:
        for _ in range(2):
            for x, _ in loader:
                float((x.values() if given.get("sparse") else x).sum())
    print(cap)


if __name__ == "__main__":
    main(*sys.argv[1:])
