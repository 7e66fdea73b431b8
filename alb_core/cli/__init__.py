"""What does a user type? The ``alb`` command, one module per subcommand.

Nothing uses it but ``alb`` itself; it uses every room but ``asv_plugin``. A command imports what is slow to load inside
its function, so that ``alb --help`` and a wrong option answer at once.
"""

from alb_core.cli import interrupts

interrupts.take()
