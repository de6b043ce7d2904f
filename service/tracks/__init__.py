"""Tracks of the catalogue: what they are, their tags, their sound."""
