"""Which excerpts a batch is made of: triplets by tag and by track, or one pass after another over all tracks."""
