"""What tests of peers take for a dataset: a tiny experiment with the figures that a manifest would hold."""

from types import SimpleNamespace

import numpy as np

from alb_core.base.checksum import dense_checksum


def manifest_of(truth, name="tiny"):
    return SimpleNamespace(
        name=name,
        bytes_digest="0123456789abcdef",
        n_obs=len(truth.obs_joinids),
        n_vars=len(truth.var_joinids),
        nnz=int(np.count_nonzero(truth.x)),
        x_sum=int(truth.x.sum(dtype=np.float64)),
        x_checksum=f"{dense_checksum(truth.x, truth.obs_joinids, truth.var_joinids):016x}",
    )
