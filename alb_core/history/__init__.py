"""The git history of tiledb-soma whose commits are measured, and a build for each commit."""
