"""What does the suite add to asv's own commands? Preparation, publishers, and where a site goes.

asv alone uses it (``plugins`` in asv.conf.json): it imports this package after it has parsed its command line, and
calls :func:`setup` before the command runs. It may use every other room.
"""

from alb_core.asv_plugin.commands import install


def setup() -> None:
    """Let asv's commands run within ours; asv calls it once, when it loads its plugins."""
    install()
