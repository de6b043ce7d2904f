"""The database of tracks and their embeddings: the source of truth, of which every index is a cache."""
