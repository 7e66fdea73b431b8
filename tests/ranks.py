"""One rank of a training run, for torchrun: hands in a file which rows it was given.

Arguments: the experiment, the joinid at which its rows end, and where the file goes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch.distributed as dist

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader


def main(uri: str, end: str, out: str) -> None:
    dist.init_process_group("gloo")
    epochs = []
    with SomaLoader(uri, BlockSpec(16, 4), batch_size=50, obs_query=f"soma_joinid < {end}") as loader:
        for _ in range(2):
            batches = []
            for x, obs in loader:
                # Every rank takes part, or none goes on: what gradients do in a real run.
                total = x.sum()
                dist.all_reduce(total)
                batches.append(obs.column("soma_joinid").to_pylist())
            epochs.append(batches)
    Path(out, f"{dist.get_rank()}.json").write_text(json.dumps(epochs))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
