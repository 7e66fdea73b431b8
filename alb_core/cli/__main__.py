"""``python -m alb_core.cli``: what ``alb`` is, where the script is not on PATH."""

from alb_core.cli.main import main

main()
