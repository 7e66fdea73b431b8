"""The ``alb`` command, one module per subcommand."""
