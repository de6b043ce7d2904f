"""Offline: learns embeddings and writes the bundles that the service serves."""
