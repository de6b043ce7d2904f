"""A vocabulary and sub-spaces of another making than the paper's: nothing may assume four dimensions of 64."""

import torch
from torch import Tensor

from training.embedding import subspaces_of
from training.losses.objective import Targets
from training.vocabulary import Vocabulary, VocabularyTag

# Tags of the dimensions stand mixed, as they do in published tag lists.
VOCABULARY = Vocabulary(
    name="made up",
    source="made up",
    dimensions=("klang farbe", "é/..", "room"),
    tags=tuple(
        VocabularyTag(name, dimension)
        for name, dimension in (
            ("warm", "klang farbe"),
            ("dry", "room"),
            ("swung", "é/.."),
            ("bright", "klang farbe"),
            ("straight", "é/.."),
            ("harsh", "klang farbe"),
            ("hall", "room"),
        )
    ),
)
SUBSPACES = subspaces_of(VOCABULARY.dimensions, widths={"klang farbe": 3, "é/..": 7, "room": 2})
DIMENSION_OF_TAG = (0, 2, 1, 0, 1, 0, 2)

# How far a loss computed in float32 may be from the same in float64, relative to a size of about 1.
ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-6, torch.bfloat16: 2e-6}
DTYPES = tuple(ROUNDING)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def relu_embeddings(n: int, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """`(n, width)` leaf, non-negative and sparse as after a ReLU; excerpt 0 is zero, excerpt 1 in its first slice."""
    embeddings = torch.randn(n, SUBSPACES.width, generator=seeded(seed), dtype=torch.float64).clamp_min(0.0)
    embeddings[0] = 0.0
    embeddings[1, SUBSPACES.each[0].slice] = 0.0
    return embeddings.to(dtype).requires_grad_()


def positive_embeddings(n: int, *, seed: int = 0) -> Tensor:
    """`(n, width)` float64 leaf, every number well above zero: no slice is on the edge of having no direction."""
    return (0.1 + torch.rand(n, SUBSPACES.width, generator=seeded(seed), dtype=torch.float64)).requires_grad_()


def made_up_targets(n: int, *, seed: int = 0) -> Targets:
    """Labels and triplets of an embedding of `n` excerpts; excerpt 2 has no tag at all, excerpt 3 only one."""
    generator = seeded(seed)
    labels = torch.rand(n, len(VOCABULARY.tags), generator=generator) < 0.35
    labels[2] = False
    labels[3] = torch.arange(len(VOCABULARY.tags)) == 4
    return Targets(
        labels=labels,
        tag_triplets=torch.randint(n, (4 * n, 3), generator=generator),
        tag_dimensions=torch.randint(len(SUBSPACES), (4 * n,), generator=generator),
        track_triplets=torch.randint(n, (3 * n, 3), generator=generator),
    )
