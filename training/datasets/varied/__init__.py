"""Labelled music to learn from: like `rendered` in what its labels mean, unlike it in that all else is drawn anew.

A model that learns from one composer, one band and one studio learns that composer, band and studio. Here each piece
draws who plays (several soundfonts, any member of an instrument family), in which groove (Facet's own, or one of MMA's
that `accompanied` does not use), how its mood is played, and a studio from the range of its decade. It is mono at
22,050 Hz, as much as a model of 16 kHz can hear.

Nothing of it is in `accompanied`, the music that models are tested on: neither melodies nor chords, grooves,
soundfonts nor effects.
"""
