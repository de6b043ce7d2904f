"""Folders of music become tracks of the catalogue: walk, read, settle, and a run that holds the three together."""
