"""A second source of rendered music, to test on: a chord sheet and a tune of our own, accompanied by MMA.

It shares the factors' values with `rendered`, and nothing that is heard: other sheets and melodies, other grooves,
another synthesiser with another soundfont, another studio. `accompanied_set` decides which pieces there are; a piece is
made here in this order: `sheet` and `solo` write it, `band` has MMA accompany it and fluidsynth sound it, `studio`
gives it its era.
"""
