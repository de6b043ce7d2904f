"""What embeddings are taught by: triplets of tracks, proxies of tags, contrasts within a batch."""
