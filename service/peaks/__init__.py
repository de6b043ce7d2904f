"""Waveforms to look at: a track's peaks, measured when they are first wanted and kept beside the catalogue."""
