"""Sub-space heads on frozen taggers: the way to a better bundle than the one that ships.

`excerpts` holds the taggers' features of labelled music, `fitting` fits `network` to them by `objective`. Nothing of
the taggers is trained, so an experiment takes minutes, and what they learnt of the Million Song Dataset and
MagnaTagATune cannot be unlearnt. No command calls it: docs/default-model.md tells what was fitted with it.
"""
