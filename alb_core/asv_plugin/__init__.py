"""What the suite adds to asv: named machines, preparation, resolved versions in results.

asv imports this module (``plugins`` in asv.conf.json) after it has parsed its command line, and calls :func:`setup`
before the command itself runs.
"""


def setup() -> None:
    """Wrap asv's commands; called by asv once, when it loads its plugins."""
    # Here, so that `alb` can use one module of this package without loading all of asv.
    from alb_core.asv_plugin import commands

    commands.install()
