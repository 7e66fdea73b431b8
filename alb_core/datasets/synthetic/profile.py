"""How the counts of a synthetic dataset are distributed, calibrated to what the Census holds.

The number of non-zeros in a cell follows from the genes' means. Their bytes do not: columns take one byte each, for
which genes are popular hardly matters, and molecule counts, mostly 1 and 2, take about 0.6 in the Census layout. The
rest of the 2.0 comes from cells whose assay counts reads (full-length ones such as Smart-seq2, which the Census has
too). Their share is larger here than in the Census: it is what the bytes need, not a claim about assays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class CountProfile:
    """Shape of the counts. Spreads are standard deviations of log2 means, that is in octaves."""

    #: Mean number of genes seen in a cell; at most ``MAX_DENSITY`` of the vars.
    nnz_per_cell: int
    #: Number of source datasets, which lie one after another.
    datasets: int
    #: Number of cell types; each has its own programme, each dataset its own mixture of them.
    types: int
    #: Spread of the genes' mean counts.
    popularity: float
    #: Spread of a gene's mean count between cell types.
    programme: float
    #: Spread of the total count between cell types, and between the cells of a type.
    type_depth: float
    depth: float
    #: Of the negative binomial that a count follows (a whole number; the smaller, the heavier its tail).
    size: int
    #: Share of the vars that a dataset has not measured, as 16-bit fraction; seldom one of the popular half.
    unmeasured: int
    #: Share of the cells whose assay counts reads, not molecules, as 16-bit fraction.
    reads: int


#: No calibration holds beyond this share of the vars: small datasets have fewer non-zeros per cell than asked.
MAX_DENSITY = 0.25

PROFILES: Mapping[str, CountProfile] = MappingProxyType(
    {
        # Datasets 2 to 7 of collection 283d65eb-dd53-496d-adb7-7570c7caa443, 20,000 vars: 2,770 and 2.0 bytes.
        "slice-2:7": CountProfile(2_770, 5, 24, 2.6, 2.0, 0.8, 0.7, 1, 13_000, 21_000),
        # All primary human cells, 60,664 vars, many more sources.
        "census": CountProfile(1_945, 12, 48, 2.6, 2.0, 0.8, 0.8, 1, 26_000, 21_000),
    }
)
