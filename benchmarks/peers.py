"""One epoch of the loaders that people use, to dense torch batches, beside alb_core's own."""

from alb_core.peers.case import PeerCase


class Peers:
    """Seconds, and peak bytes, for one epoch over ``mini`` in dense batches of 1,024 rows, as authors ship a loader."""

    version = "1"
    param_names = ("peer", "shuffle")
    params = (
        ["tiledbsoma-ml", "cellxgene-census", "scdataset", "annloader", "annbatch"],
        ["none", "block"],
    )
    number = 1
    repeat = 2
    rounds = 2
    warmup_time = 0
    case = None

    def setup(self, peer, shuffle):
        """Open the dataset, and run an epoch once a process, untimed."""
        self.case = PeerCase("mini", peer, "8x64", shuffle, batch_size=1024)

    def teardown(self, peer, shuffle):
        """Close it; asv asks for that after a setup that said n/a, too."""
        if self.case is not None:
            self.case.close()

    def time_epoch(self, peer, shuffle):
        """Run one epoch, the first batch included."""
        self.case.epoch()

    def peakmem_epoch(self, peer, shuffle):
        """Run one epoch."""
        self.case.epoch(prove=True)
