"""A program that takes batches for ever: what Ctrl-C is to end. Arguments: the experiment, and the loader's as JSON;
``closed`` puts it into a ``with``. It says so when it has imported what it needs, and of each batch."""

import contextlib
import json
import sys

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader


def main(uri: str, arguments: str) -> None:
    print("begun", flush=True)
    given = json.loads(arguments)
    closed = given.pop("closed", False)
    loader = SomaLoader(uri, BlockSpec(64, 32), batch_size=256, soma_buffer_size=2**20, **given)
    with loader if closed else contextlib.nullcontext():
        while True:
            for _ in loader:
                print("batch", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
