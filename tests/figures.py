"""Made-up records for figures, and what a drawn SVG holds."""

import re
from datetime import datetime, timedelta

from alb_core.sweeps import records

METHODS = ("np.array", "scipy.coo", "scipy.csr")
#: Chunks per block, chunk size.
SPECS = ((8, 64), (64, 64), (512, 64), (128, 16), (1, 1024), (16, 1024))
BEGAN = datetime(2026, 3, 1, 10)

_POINT = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="point"([^>]*)>')


def record(**changed):
    """An epoch's record: 30,000 rows in 10 s, at most 2 GiB."""
    spec = {"chunks_per_block": 64, "chunk_size": 64, "block_size": 4096}
    return {
        "start_dt": BEGAN,
        "epoch": 0,
        "n_rows": 30_000,
        "elapsed": 10.0,
        "max_mem": 2 * 2**30,
        "chunk_method": "scipy.csr",
        "batch_size": 1024,
        "max_batches": 0,
        "uri": "data/soma/small",
        "dataset": "small",
        "machine": "ref2",
        "shuffle": "block",
        "seed": 7,
        "first_batch": 0.5,
        "first_batch_counted": True,
        "tiledbsoma_version": "2.3.0",
        **spec,
        **changed,
    }


def table(*rows):
    """Table of records from their changed columns; one record by default."""
    return records.as_table([record(**row) for row in rows or ({},)])


def sweep(epochs=2, **changed):
    """Rows of six specs x three methods x epochs."""
    return [
        {
            "chunk_method": method,
            "chunks_per_block": chunks,
            "chunk_size": size,
            "block_size": chunks * size,
            "epoch": epoch,
            "elapsed": 5.0 + 2 * METHODS.index(method) + place + 0.2 * epoch,
            "max_mem": 2**29 + 100_000 * chunks * size // (METHODS.index(method) + 1),
            "start_dt": BEGAN + timedelta(minutes=place),
            **changed,
        }
        for method in METHODS
        for place, (chunks, size) in enumerate(SPECS)
        for epoch in range(epochs)
    ]


def marks(svg):
    """Marks of a drawn SVG: their descriptions and their attributes."""
    return [
        (described, dict(re.findall(r'([\w-]+)="([^"]*)"', attributes)))
        for described, attributes in _POINT.findall(svg)
    ]
