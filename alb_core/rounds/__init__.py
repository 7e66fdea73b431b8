"""All releases, measured round by round on one machine."""
