"""Storage that answers each request late: requests are under way beside each other."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from plain import all_ids
from s3 import Proxy
from tiny import Tiny

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader


class Latency:
    """A fault of the proxy: each answer comes 30 ms late; counts requests, and how many waited at once."""

    def __init__(self) -> None:
        self.requests = self.most = self._waiting = 0
        self._lock = threading.Lock()

    def __call__(self, handler: Any) -> bool:
        """Wait, and let the request pass."""
        del handler
        with self._lock:
            self.requests += 1
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        time.sleep(0.03)
        with self._lock:
            self._waiting -= 1
        return False


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
def test_requests_do_not_wait_for_each_other(tiny: Tiny, s3_proxy: Proxy, method: str) -> None:
    uri = s3_proxy.behind.upload(Path(tiny.uri), "slow-loader", method)
    s3_proxy.fault = latency = Latency()
    with SomaLoader(uri, BlockSpec(16, 8), method=method, batch_size=100, config=s3_proxy.s3.tiledb) as loader:
        assert len(all_ids(loader)) == 7
    assert latency.requests > 20 and latency.most >= 3
