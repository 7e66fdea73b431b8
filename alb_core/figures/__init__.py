"""Speed against memory: which records , as which points, drawn how, in which files."""
