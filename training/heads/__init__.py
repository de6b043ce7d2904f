"""Sub-space heads on frozen taggers: how the bundle that ships is made. The front door is `making`.

`hearing` gives the taggers' features of labelled music, `fitting` fits `network` to them by `objective`, `tags` gives
each tag its probability, and `bundle` writes what comes of it. Nothing of the taggers is trained, so an experiment takes
minutes, and what they learnt of the Million Song Dataset and MagnaTagATune cannot be unlearnt.
"""
