"""Open a CELLxGENE Census and find the source datasets, cells and vars of a slice of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base.errors import AlbError
from alb_core.datasets.census.row_ranges import RowRanges
from alb_core.datasets.content import require_kinds
from alb_core.datasets.retry import Retry, in_one_line
from alb_core.datasets.spec import CensusSlice

#: Bytes of each column of a read of X: four million non-zeros come at a time.
_X_BUFFER = 32 << 20
#: Likewise of obs, which has many more columns.
_OBS_BUFFER = 2 << 20
#: What TileDB may hold of its own while it reads.
_TILEDB_BYTES = 512 << 20
#: Options that bound the memory of a read; the user's own options override them.
BOUNDED = {
    "soma.init_buffer_bytes": str(_X_BUFFER),
    "sm.mem.total_budget": str(_TILEDB_BYTES),
    # Freed and taken again for each batch, memory would cost more time than the reading.
    "sm.mem.malloc_trim": "false",
}

#: The column of obs that keeps the Census's own number of a cell.
CENSUS_JOINID = "census_joinid"


@dataclass(frozen=True)
class CensusSelection:
    """What a slice stands for."""

    #: The slice, its ``end`` known.
    asked: CensusSlice
    uri: str
    #: Empty if the Census does not say.
    build_date: str
    dataset_ids: tuple[str, ...]
    #: Joinids of their cells.
    cells: RowRanges
    #: The first vars, joinids from 0.
    var: pa.Table
    #: Open arrays of the Census.
    obs: Any
    x: Any

    def as_json(self) -> dict[str, Any]:
        """Return what was asked for, and what the Census answered."""
        found = {"census_build_date": self.build_date, "dataset_ids": list(self.dataset_ids)}
        return {**self.asked.as_json(), "fragments": 1, **found}


@contextmanager
def opened(asked: CensusSlice, config: Mapping[str, str], retry: Retry) -> Iterator[CensusSelection]:
    """Open a Census and look up a slice of it."""
    with _open(asked, config, retry) as census:
        uri = str(census.uri)

        def member(collection: Any, name: str) -> Any:
            """Open a member that every Census has."""
            try:
                return retry.read(lambda: collection[name], uri)
            except KeyError as error:
                raise AlbError(f"{uri} is no Census: it has no {name} in {collection.uri}") from error

        info = member(census, "census_info")
        datasets = member(info, "datasets")
        ids, end = _sources(retry.read(lambda: datasets.read().concat(), uri), asked, uri)
        build_date = retry.read(lambda: _build_date(info), uri)
        organisms = member(census, "census_data")
        if asked.organism not in organisms:
            raise AlbError(f"{uri} has no organism {asked.organism!r}, expected one of {', '.join(sorted(organisms))}")
        experiment = member(organisms, asked.organism)
        all_obs, rna = member(experiment, "obs"), member(member(experiment, "ms"), "RNA")
        x = member(member(rna, "X"), "raw")
        if x.soma_type != "SOMASparseNDArray" or x.schema.field("soma_data").type != pa.float32():
            raise AlbError(f"{x.uri} is {x.soma_type} of {x.schema.field('soma_data').type}, expected sparse float32")
        obs = retry.read(lambda: with_smaller_buffers(all_obs, config), uri)
        with obs:
            _require_writable(obs.schema, obs.uri)
            cells = retry.read(lambda: _cells(obs, ids), uri)
            if not len(cells):
                raise AlbError(f"{uri} has no {asked.organism} cells in the source datasets {', '.join(ids)}")
            genes = member(rna, "var")
            var = retry.read(lambda: _var(genes, asked.n_vars), uri)
            yield CensusSelection(replace(asked, end=end), uri, build_date, tuple(ids), cells, var, obs, x)


def _open(asked: CensusSlice, config: Mapping[str, str], retry: Retry) -> Any:
    """Open the Census itself."""
    import cellxgene_census
    import requests

    uri = asked.census_uri
    if uri is not None and "://" not in uri and not Path(uri).exists():
        raise AlbError(f"no Census at {uri}")
    if uri is not None and uri.startswith("s3://") and not uri.removeprefix("s3://").partition("/")[0]:
        raise AlbError(f"{uri} names no bucket, expected s3://BUCKET/PATH")
    options = {**BOUNDED, **config}

    def attempt() -> Any:
        return cellxgene_census.open_soma(census_version=asked.census_version, uri=uri, tiledb_config=options)

    try:
        # A version is looked up first, and its address is not known before.
        return attempt() if uri is None else retry.read(attempt, uri)
    except requests.RequestException as error:
        raise AlbError(f"cannot look up Census versions: {in_one_line(error)}; -u opens a Census by its URI") from error
    except AlbError:
        raise
    # The Census's own package raises ValueError, TileDB other errors: their messages say best what is wrong.
    except Exception as error:
        raise AlbError(f"cannot open the Census: {in_one_line(error)}") from error


def _build_date(info: Any) -> str:
    """When the Census was built, as it says; empty if it does not."""
    if "summary" not in info:
        return ""
    summary = info["summary"].read().concat().to_pydict()
    return str(dict(zip(summary["label"], summary["value"], strict=True)).get("census_build_date", ""))


def _sources(datasets: pa.Table, asked: CensusSlice, uri: str) -> tuple[list[str], int]:
    """Return the source datasets of a slice, in order, and the index after the last one."""
    datasets = datasets.sort_by("soma_joinid")
    mine = datasets.filter(pc.equal(datasets["collection_id"], asked.collection_id))
    if not len(mine):
        known = sorted({str(one) for one in datasets["collection_id"].to_pylist()})
        more = f" and {len(known) - 3:,} more" if len(known) > 3 else ""
        raise AlbError(f"{uri} has no collection {asked.collection_id}, expected one of {', '.join(known[:3])}{more}")
    count, end = len(mine), len(mine) if asked.end is None else asked.end
    if not asked.start < end <= count:
        raise AlbError(
            f"datasets {asked.start} to {end} are asked for, expected 0 <= start < end <= {count}: collection "
            f"{asked.collection_id} has {count} of them"
        )
    if asked.sorted_datasets:
        mine = mine.sort_by([("dataset_total_cell_count", "ascending"), ("soma_joinid", "ascending")])
    return [str(one) for one in mine["dataset_id"].slice(asked.start, end - asked.start).to_pylist()], end


def with_smaller_buffers(obs: Any, config: Mapping[str, str]) -> Any:
    """Open obs or var again, for reads of all of its columns."""
    import tiledbsoma

    size = config.get("soma.init_buffer_bytes", str(_OBS_BUFFER))
    return tiledbsoma.DataFrame.open(
        obs.uri, context=obs.context.replace(tiledb_config={"soma.init_buffer_bytes": size})
    )


def _require_writable(schema: pa.Schema, uri: str) -> None:
    """Refuse an obs that cannot be written, before anything is read."""
    if CENSUS_JOINID in schema.names:
        raise AlbError(f"{uri} has a column {CENSUS_JOINID} already: it is no Census, but a slice of one")
    if missing := {"soma_joinid", "dataset_id"}.difference(schema.names):
        raise AlbError(f"{uri} is not obs of a Census: it has no column {', '.join(sorted(missing))}")
    require_kinds(schema)


def _cells(obs: Any, dataset_ids: list[str]) -> RowRanges:
    """Joinids of the cells of some source datasets."""
    wanted = pa.array(dataset_ids)
    pieces = obs.read(column_names=["soma_joinid", "dataset_id"], value_filter=f"dataset_id in {dataset_ids}")

    def joinids() -> Iterator[Any]:
        for table in pieces:
            # The filter alone is not enough: it chooses among the words of an enumeration.
            found = pc.is_in(table["dataset_id"].cast(pa.large_string()), wanted.cast(pa.large_string()))
            yield np.asarray(table["soma_joinid"].filter(found))

    return RowRanges(joinids())


def _var(var: Any, n_vars: int) -> pa.Table:
    """Return the first vars."""
    require_kinds(var.schema)
    table = var.read(coords=(slice(0, n_vars - 1),), result_order="row-major").concat()
    if not len(table) or not np.array_equal(table["soma_joinid"], np.arange(len(table))):
        raise AlbError(f"{var.uri} is not var of a Census: its joinids do not run from 0")
    return table
