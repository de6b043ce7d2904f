"""Keeps the index, a cache, in step with the catalogue, the truth."""
