"""What training hands to a bundle: an encoder whose graph keeps the bundle's rule, and prototypes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from index.bundle_manifest import ProvenanceEntry
from index.model import ModelBundle, Tag
from tests.training.made_up import DIMENSION_OF_TAG, SUBSPACES, VOCABULARY, seeded
from training.embedding import EmbeddingNetwork, Normalisation, SubspaceHeads, served_subspaces
from training.encoder_graph import parity_waveforms
from training.export import BundleParts, write_bundle
from training.losses.tagging import TagProxies
from training.paper_log_mel import PAPER_LOG_MEL, PaperLogMel, PaperLogMelProducts
from training.trained_encoder import TrainedEncoder, UntaggedTagError, tag_prototypes


class LoudestBands(nn.Module):
    """A backbone that is exported in no time. Graphs of the real ones are made in `test_export_checkpoint`."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.linear = nn.Linear(PAPER_LOG_MEL.n_mels, n_features)
        nn.init.normal_(self.linear.weight, std=0.1, generator=seeded(1))
        nn.init.zeros_(self.linear.bias)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, frames, mels)` into features `(batch, n_features)`, none negative."""
        return torch.relu(self.linear(log_mel)).amax(dim=1)


@pytest.mark.parametrize("normalisation", Normalisation)
def test_a_trained_network_becomes_a_bundle_that_answers_as_the_loss_heard(
    tmp_path: Path, normalisation: Normalisation
) -> None:
    backbone = LoudestBands(n_features=24)
    network = EmbeddingNetwork(backbone, SubspaceHeads(backbone.n_features, SUBSPACES, generator=seeded(2))).eval()
    proxies = TagProxies(VOCABULARY, SUBSPACES, normalisation=normalisation, bias=True, generator=seeded(3))
    torch.nn.init.uniform_(proxies.biases, -2, 1, generator=seeded(4))
    encoder, reference = (
        TrainedEncoder(
            front_end,
            network,
            normalisation=normalisation,
            subspaces=SUBSPACES,
            proxies=proxies.vectors,
            biases=proxies.biases,
        )
        for front_end in (PaperLogMelProducts(), PaperLogMel())
    )
    served = served_subspaces(SUBSPACES, normalisation)
    has_slices = normalisation is Normalisation.SLICES
    write_bundle(
        tmp_path / "own",
        encoder=encoder,
        reference=reference,
        parts=BundleParts(
            name="own",
            sample_rate=PAPER_LOG_MEL.sample_rate,
            excerpt_samples=PAPER_LOG_MEL.excerpt_samples,
            subspaces=served,
            tags=tuple(
                Tag(tag.name, tag.dimension if has_slices else "all", bias)
                for tag, bias in zip(VOCABULARY.tags, proxies.biases.tolist(), strict=True)
            ),
            proxies=proxies.vectors.detach().numpy(),
            recipe={},
            provenance=(ProvenanceEntry(what="nothing", source="made up", licence="Apache-2.0"),),
            card="made up",
        ),
    )
    bundle = ModelBundle.open(tmp_path / "own")
    waveforms = parity_waveforms(sample_rate=22_050, excerpt_samples=66_150, rng=np.random.default_rng(1))
    answer = bundle.embed(waveforms)
    with torch.no_grad():
        raw = network(PaperLogMel()(torch.from_numpy(waveforms)))
        logits = proxies(raw)
    np.testing.assert_allclose(answer.vectors, served.unit(raw.numpy()), atol=1e-4)
    np.testing.assert_allclose(answer.tag_probabilities, torch.sigmoid(logits).numpy(), atol=1e-4)
    if normalisation is not Normalisation.NONE:
        # The rule of the format, for stored vectors: a tag's logit is its proxy times the embedding, plus its bias.
        again = answer.vectors @ bundle.proxies.T + [tag.bias for tag in bundle.tags]
        np.testing.assert_allclose(again, logits.numpy(), atol=1e-4)


def _tracks(normalisation: Normalisation) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    vectors = served_subspaces(SUBSPACES, normalisation).unit(rng.random((30, SUBSPACES.width)))
    labels = rng.random((30, len(VOCABULARY.tags))) < 0.3
    labels[0] = True
    return vectors, labels


@pytest.mark.parametrize("normalisation", Normalisation)
def test_a_prototype_is_the_mean_of_a_tags_tracks_where_they_are_compared(normalisation: Normalisation) -> None:
    vectors, labels = _tracks(normalisation)
    found = tag_prototypes(
        vectors,
        sparse.csr_array(labels),
        vocabulary=VOCABULARY,
        subspaces=SUBSPACES,
        normalisation=normalisation,
    )
    assert found.dtype == np.float32
    for tag, dimension in enumerate(DIMENSION_OF_TAG):
        mean = np.mean([vectors[row] for row in range(30) if labels[row, tag]], axis=0)
        if normalisation is Normalisation.SLICES:
            outside = np.ones(SUBSPACES.width, dtype=bool)
            outside[SUBSPACES.each[dimension].slice] = False
            mean[outside] = 0.0
        np.testing.assert_allclose(found[tag], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_tag_without_tracks_has_no_prototype_and_is_named() -> None:
    vectors, labels = _tracks(Normalisation.SLICES)
    labels[:, 4] = False
    arguments = {"vocabulary": VOCABULARY, "subspaces": SUBSPACES, "normalisation": Normalisation.SLICES}
    with pytest.raises(UntaggedTagError, match="'straight'"):
        tag_prototypes(vectors, sparse.csr_array(labels), **arguments)
    with pytest.raises(ValueError, match=r"expected \(30, 7\) and \(30, 12\)"):
        tag_prototypes(vectors, sparse.csr_array(labels[:, :6]), **arguments)
