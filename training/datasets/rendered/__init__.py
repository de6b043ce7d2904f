"""Music of our own with labels true by construction: a composer, an arranger, a band and a studio.

The way of a piece: `factors` (what it should be) -> `tune` -> `composition` -> `arrangement` -> `performance` ->
`score` -> `synthesis` (stems) -> `production` (stereo sound) -> `mp3`. `piece` walks it up to the score; `design` says
which pieces make up the sample catalogue; `separability` asks whether the factors can be told by ear.
"""
