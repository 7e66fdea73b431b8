"""The fast pipeline (method ``numba``): cells are packed while they are read, and made dense batch by batch.

The loader uses it where that method is asked for; it uses the loader's earlier stages.
"""
