"""How good are verdicts on this machine? Commits of known slowness, and verdicts of them by the hundred."""
