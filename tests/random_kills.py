"""Kill a process that writes, at random moments, and look each time at what it has left.

KIND NUMBER SEED DIRECTORY: ends with status 0 where nothing was lost. A process of its own, because it forks.
"""

import multiprocessing
import random
import sys
import time
from pathlib import Path

from alb_core.base.documents import Format
from alb_core.base.files import scratch_directory, staged_directory, write_atomically

FORK = multiprocessing.get_context("fork")
#: Seconds within which a process is killed.
WITHIN = 0.06


def numbers_of_records(path):
    from alb_core.sweeps import records

    return records.load(path)["epoch"].to_pylist() if path.exists() else []


def append(path, number):
    from alb_core.sweeps import records

    # What load needs.
    words = dict.fromkeys(("n_rows", "max_mem", "batch_size", "chunks_per_block", "block_size"), 1)
    records.append(path, [{"epoch": number, "elapsed": 1.0, "chunk_method": "np.array", **words}])


def numbers_of_results(path):
    return Format(dict, "results").read(path)["numbers"] if path.exists() else []


def save(path, number):
    from asv import util

    from alb_core.rounds import asv_patches

    asv_patches.install()
    util.write_json(str(path), {"numbers": list(range(number + 1)), "more": "x" * 100_000})


def numbers_of_directory(path):
    names = sorted(int(each.name) for each in path.iterdir()) if path.exists() else []
    return names if all((path / str(name)).read_text() == "whole" for name in names) else None


def replace(path, number):
    """As a dataset is made: scratch, a stage, the stage in its place."""
    import shutil

    with scratch_directory("kill") as scratch, staged_directory(path) as stage:
        for each in range(number + 1):
            write_atomically(scratch / "part", b"whole")
            shutil.copy(scratch / "part", stage / str(each))
        if path.exists():
            path.replace(scratch / "old")


#: What writes the next number to a path, and what reads all that are there.
KINDS = {
    "records": (append, numbers_of_records),
    "results": (save, numbers_of_results),
    "directory": (replace, numbers_of_directory),
}


def writing(kind, path):
    write, read = KINDS[kind]
    number = len(read(path))
    while True:
        write(path, number)
        number += 1


def looking(kind, path, before, answer):
    found = KINDS[kind][1](path)
    # A directory that is replaced has a moment between the old one and the new one.
    whole = found == list(range(len(found))) if found is not None else False
    kept = whole and (len(found) >= before or (kind == "directory" and not found))
    answer.send(len(found) if kept else None)


def main(kind, number, seed, directory):
    chance, path, before = random.Random(seed), Path(directory) / kind, 0
    for _ in range(int(number)):
        writer = FORK.Process(target=writing, args=(kind, path))
        writer.start()
        time.sleep(chance.uniform(0, WITHIN))
        writer.kill()
        writer.join()
        ours, theirs = FORK.Pipe()
        looker = FORK.Process(target=looking, args=(kind, path, before, theirs))
        looker.start()
        looker.join()
        before = ours.recv() if ours.poll() else None
        if before is None:
            sys.exit(f"{kind}: something was lost")
    last = FORK.Process(target=KINDS[kind][0], args=(path, before))
    last.start()
    last.join()
    print(before)


if __name__ == "__main__":
    # Imported once; only forks use them, as a fork of a process with threads may hang.
    import alb_core.rounds.asv_patches
    import alb_core.sweeps.records  # noqa: F401

    main(*sys.argv[1:])
