"""Questions: by a clip, by tags, by a track of the catalogue."""
