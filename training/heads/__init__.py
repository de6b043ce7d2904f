"""Sub-space heads on frozen taggers: how the bundle that ships is made.

`heard` turns music into what taggers, rhythm and tonality say of each excerpt (`backbones.hearing`), `fitting` fits
`network` to it by `objective`, `words` says where each tag has its score from, `bundle` puts all of it together and
`remake` does so from nothing. Nothing of the taggers is trained, so an experiment takes minutes, and what they learnt
of the Million Song Dataset and MagnaTagATune cannot be unlearnt. docs/default-model.md tells what was tried.
"""
