"""What tests take for the manifest of a dataset: that of a tiny experiment."""

from types import SimpleNamespace


def manifest_of(truth, name="tiny"):
    totals = truth.totals
    return SimpleNamespace(
        name=name,
        bytes_digest="0123456789abcdef",
        n_obs=totals.n_rows,
        n_vars=len(truth.var_joinids),
        nnz=totals.nnz,
        x_sum=totals.total,
        x_checksum=f"{totals.checksum:016x}",
        totals=totals,
    )
