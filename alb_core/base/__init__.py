"""What every room stands on: errors, files, documents, paths, memory, checksum, certificate, processes, environments.

Every room may use it. It uses the standard library and numpy, and filelock where something is locked.
"""
