"""The obs and var tables of synthetic cells: the Census's columns, and counts that are true to the cells."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.datasets.synthetic.cells import GROUP, Population, Traits
from alb_core.datasets.synthetic.portable_random import RandomStream

Int64 = npt.NDArray[np.int64]

_DONORS, _JOINIDS, _LENGTHS = 100, 101, 102
_DONORS_PER_DATASET = 8
_ALPHABET = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-", dtype=np.uint8)

# Name and ontology term, which are two columns of obs.
_ASSAYS = (("10x 3' v3", "EFO:0009922"), ("Smart-seq2", "EFO:0008931"))
_STAGES = tuple((f"{age}-year-old stage", f"HsapDv:{94 + age - 10:07d}") for age in (29, 42, 50, 60, 68, 75))
_DISEASES = (("normal", "PATO:0000461"), ("dementia", "MONDO:0001627"), ("epilepsy", "MONDO:0005027"))
_ETHNICITIES = (("European", "HANCESTRO:0005"), ("African", "HANCESTRO:0010"), ("unknown", "unknown"))
_SEXES = (("male", "PATO:0000384"), ("female", "PATO:0000383"))
_TISSUES = tuple(
    (f"{region} of brain", f"UBERON:{number:07d}")
    for region, number in (("cortex", 956), ("thalamus", 1_897), ("midbrain", 1_891), ("pons", 988), ("medulla", 1_896))
)
_GENERAL = (("brain", "UBERON:0000955"),)


class RunningCounts:
    """Sums over rows and over columns, which can only be counted while the cells are made."""

    def __init__(self, n_obs: int, n_vars: int) -> None:
        self.nnz = np.zeros(n_obs, dtype=np.int64)
        self.sums = np.zeros(n_obs, dtype=np.int64)
        self.squares = np.zeros(n_obs, dtype=np.int64)
        self.var_nnz = np.zeros(n_vars, dtype=np.int64)

    def add(self, rows: Int64, columns: Int64, values: npt.NDArray[Any]) -> None:
        """Count non-zeros, in any order."""
        if not len(rows):
            return
        first, size = int(rows.min()), int(rows.max() - rows.min()) + 1
        cells, rows, values = slice(first, first + size), rows - first, values.astype(np.float64)
        self.nnz[cells] += np.bincount(rows, minlength=size)
        # Sums of whole numbers below 2**53: exact in float64.
        self.sums[cells] += np.bincount(rows, values, size).astype(np.int64)
        self.squares[cells] += np.bincount(rows, values * values, size).astype(np.int64)
        self.var_nnz += np.bincount(columns, minlength=len(self.var_nnz))


def obs_table(population: Population, counts: RunningCounts) -> pa.Table:
    """Obs: the columns of the Census."""
    spec = population.spec
    traits = _all_traits(population)
    datasets, donors = traits.datasets, _donors(population, traits)
    measured = population.measured.sum(axis=1)
    nnz, sums = counts.nnz.astype(np.float64), counts.sums.astype(np.float64)
    # Every cell has a non-zero. Whole numbers up to the division, so that no order of summing shows.
    spread = counts.squares.astype(np.float64) * nnz - sums * sums
    variance = np.where(counts.nnz > 1, spread / np.maximum(nnz * (nnz - 1), 1), 0.0)
    types = tuple((f"synthetic cell type {kind}", f"CL:{kind:07d}") for kind in range(population.profile.types))
    columns: dict[str, pa.Array] = {
        "soma_joinid": pa.array(np.arange(spec.cells, dtype=np.int64)),
        "dataset_id": _coded(datasets, [_dataset_id(spec.seed, index) for index in range(len(measured))]),
        **_named("assay", traits.reads.astype(np.int64), _ASSAYS),
        **_named("cell_type", traits.types, types),
        **_named("development_stage", donors % len(_STAGES), _STAGES),
        **_named("disease", datasets % len(_DISEASES), _DISEASES),
        "donor_id": _coded(donors, [f"donor {index}" for index in range(len(measured) * _DONORS_PER_DATASET)]),
        # One source in three repeats cells that another has published first.
        "is_primary_data": pa.array(datasets % 3 != 2),
        "observation_joinid": _joinids(spec.seed, spec.cells),
        **_named("self_reported_ethnicity", donors % len(_ETHNICITIES), _ETHNICITIES),
        **_named("sex", donors // 2 % len(_SEXES), _SEXES),
        "suspension_type": _coded(datasets % 2, ["nucleus", "cell"]),
        **_named("tissue", datasets % len(_TISSUES), _TISSUES),
        "tissue_type": _coded(datasets * 0, ["tissue"]),
        **_named("tissue_general", datasets * 0, _GENERAL),
        "raw_sum": pa.array(sums),
        "nnz": pa.array(counts.nnz),
        "raw_mean_nnz": pa.array(sums / nnz),
        "raw_variance_nnz": pa.array(variance),
        "n_measured_vars": pa.array(measured[datasets].astype(np.int64)),
    }
    return pa.table(columns)


def var_table(population: Population, counts: RunningCounts) -> pa.Table:
    """Var of all genes: six columns, as in the Census."""
    spec = population.spec
    numbers = range(spec.vars)
    measured = np.diff(population.boundaries)[:, None] * population.measured
    return pa.table(
        {
            "soma_joinid": pa.array(np.arange(spec.vars, dtype=np.int64)),
            "feature_id": pa.array([f"ENSG{number:011d}" for number in numbers], pa.large_string()),
            "feature_name": pa.array([f"GENE{number}" for number in numbers], pa.large_string()),
            "feature_length": pa.array(200 + RandomStream(spec.seed, _LENGTHS).below(8_000, spec.vars)),
            "nnz": pa.array(counts.var_nnz),
            "n_measured_obs": pa.array(measured.sum(axis=0)),
        }
    )


def _all_traits(population: Population) -> Traits:
    """Traits of all cells."""
    cells = population.spec.cells
    groups = [population.traits_of_group(group) for group in range((cells - 1) // GROUP + 1)]
    return Traits(
        datasets=np.concatenate([group.datasets for group in groups])[:cells],
        types=np.concatenate([group.types for group in groups])[:cells],
        depths=np.concatenate([group.depths for group in groups])[:cells],
        reads=np.concatenate([group.reads for group in groups])[:cells],
    )


def _donors(population: Population, traits: Traits) -> Int64:
    """Donor of each cell, shape (cells,), int64; each source dataset has its own."""
    own = RandomStream(population.spec.seed, _DONORS).below(_DONORS_PER_DATASET, len(traits.datasets))
    donors: Int64 = traits.datasets * _DONORS_PER_DATASET + own
    return donors


def _joinids(seed: int, cells: int) -> pa.Array:
    """Ten characters for each cell, as the Census identifies an observation; large_string, shape (cells,)."""
    characters = _ALPHABET[RandomStream(seed, _JOINIDS).uint16(cells * 10) & 63]
    offsets = pa.py_buffer(np.arange(0, cells * 10 + 1, 10, dtype=np.int64).tobytes())
    return pa.Array.from_buffers(pa.large_string(), cells, [None, offsets, pa.py_buffer(characters.tobytes())])


def _dataset_id(seed: int, index: int) -> str:
    """UUID of a source dataset."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{seed}/{index}".encode()).digest()[:16], version=4))


def _coded(codes: Int64, values: list[str]) -> pa.DictionaryArray:
    """Dictionary-encoded strings, shape as the codes'."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(values, pa.large_string()))


def _named(name: str, codes: Int64, values: tuple[tuple[str, str], ...]) -> dict[str, pa.DictionaryArray]:
    """Return the column of a term's names and that of its ontology identifiers."""
    return {
        name: _coded(codes, [label for label, _ in values]),
        f"{name}_ontology_term_id": _coded(codes, [term for _, term in values]),
    }
