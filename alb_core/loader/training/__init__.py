"""What only those who train need: drawing by weights, codes of categories, ranks, workers, saved states, progress.

The loader uses it; nothing here is timed by a benchmark, so that a change of it needs no new version.
"""
