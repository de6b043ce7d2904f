"""Closed-form sub-spaces, against the linear layer they come from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from training.backbones.musicnn import load_musicnn
from training.closed_form import FeatureMeanError, closed_form_subspaces, read_feature_mean
from training.vocabulary import SHIPPED, Vocabulary, VocabularyTag, read_vocabulary

PRETRAINED = Path(__file__).parents[2] / "training" / "backbones" / "pretrained"


def _vocabulary(sizes: list[int]) -> Vocabulary:
    tags = [
        VocabularyTag(f"{dimension}-{tag}", str(dimension)) for dimension, n in enumerate(sizes) for tag in range(n)
    ]
    return Vocabulary("made", "up", tuple(str(dimension) for dimension in range(len(sizes))), tuple(tags))


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    spare=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_proxies_times_embedding_plus_bias_are_the_taggers_logits(sizes: list[int], seed: int, spare: int) -> None:
    rng = np.random.default_rng(seed)
    weights, biases = rng.standard_normal((sum(sizes), 12)).astype("f"), rng.standard_normal(sum(sizes)).astype("f")
    mean, features = rng.standard_normal(12), rng.standard_normal((20, 12))
    found = closed_form_subspaces(
        weights, biases, vocabulary=_vocabulary(sizes), mean=mean, slice_width=max(sizes) + spare
    )
    embeddings = features @ found.projection.T + found.offset
    np.testing.assert_allclose(
        embeddings @ found.proxies.T + found.biases, features @ weights.T + biases, atol=1e-5, rtol=1e-5
    )


def test_a_basis_is_orthonormal_and_the_mean_is_the_origin() -> None:
    rng = np.random.default_rng(0)
    mean = rng.standard_normal(30)
    found = closed_form_subspaces(
        rng.standard_normal((9, 30)), np.zeros(9), vocabulary=_vocabulary([4, 5]), mean=mean, slice_width=6
    )
    for subspace, rank in zip(found.subspaces, (4, 5), strict=True):
        basis = found.projection[subspace.slice]
        np.testing.assert_allclose(basis @ basis.T, np.diag([1.0] * rank + [0.0] * (6 - rank)), atol=1e-12)
    np.testing.assert_allclose(found.projection @ mean + found.offset, 0.0, atol=1e-12)


def test_the_basis_does_not_depend_on_the_order_of_the_tags() -> None:
    weights = np.random.default_rng(1).standard_normal((6, 20))
    arguments = {"vocabulary": _vocabulary([6]), "mean": np.zeros(20), "slice_width": 8}
    there = closed_form_subspaces(weights, np.zeros(6), **arguments)  # type: ignore[arg-type]
    back = closed_form_subspaces(weights[::-1], np.zeros(6), **arguments)  # type: ignore[arg-type]
    np.testing.assert_allclose(there.projection, back.projection, atol=1e-10)
    np.testing.assert_allclose(there.proxies, back.proxies[::-1], atol=1e-6)


def test_a_tag_that_repeats_another_adds_no_direction() -> None:
    weights = np.random.default_rng(2).standard_normal((4, 20)).astype("f")
    weights[3] = weights[0] * np.float32(0.7)
    found = closed_form_subspaces(weights, np.zeros(4), vocabulary=_vocabulary([4]), mean=np.zeros(20), slice_width=4)
    assert np.linalg.norm(found.projection, axis=1) == pytest.approx([1, 1, 1, 0])


def test_more_directions_than_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="the tags of '0' span 4 columns, the slice has 3"):
        closed_form_subspaces(np.eye(4), np.zeros(4), vocabulary=_vocabulary([4]), mean=np.zeros(4), slice_width=3)


@pytest.mark.parametrize(("weights", "biases"), [((3, 4), 4), ((4, 5), 4), ((4, 4), 3)])
def test_shapes_that_disagree_are_refused(weights: tuple[int, int], biases: int) -> None:
    with pytest.raises(ValueError, match=r"ask for \(4, 4\)"):
        closed_form_subspaces(
            np.ones(weights), np.zeros(biases), vocabulary=_vocabulary([4]), mean=np.zeros(4), slice_width=4
        )


def test_the_pretrained_taggers_dimensions_have_full_rank() -> None:
    network, vocabulary = load_musicnn(PRETRAINED / "musicnn-msd.safetensors").network, SHIPPED / "lastfm50.toml"
    found = closed_form_subspaces(
        network.tags.weight.detach().numpy(),
        network.tags.bias.detach().numpy(),
        vocabulary=read_vocabulary(vocabulary),
        mean=np.zeros(200),
        slice_width=64,
    )
    ranks = [int(found.projection[subspace.slice].any(axis=1).sum()) for subspace in found.subspaces]
    assert ranks == [28, 12, 5, 5]


def test_the_shipped_mean_belongs_to_the_shipped_weights() -> None:
    pretrained = load_musicnn(PRETRAINED / "musicnn-msd.safetensors")
    mean = read_feature_mean(PRETRAINED / "musicnn-msd-mean.safetensors", weights_sha256=pretrained.sha256)
    assert mean.values.shape == (200,)
    assert np.isfinite(mean.values).all()
    assert "eight Debian packages" in mean.music


def test_a_mean_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mean.safetensors"
    metadata = {"music": "some", "licence": "MIT", "weights_sha256": "a" * 64}
    save_file({"mean": np.ones(3, dtype=np.float32)}, path, metadata=metadata)
    assert read_feature_mean(path, weights_sha256="a" * 64).licence == "MIT"
    with pytest.raises(FeatureMeanError, match="was computed with weights aaaaaaaaaaaa, not with bbbbbbbbbbbb"):
        read_feature_mean(path, weights_sha256="b" * 64)


def test_a_mean_without_provenance_is_refused(tmp_path: Path) -> None:
    save_file({"mean": np.ones(3, dtype=np.float32)}, tmp_path / "mean.safetensors", metadata={"music": "some"})
    with pytest.raises(FeatureMeanError, match="lacks metadata: licence, weights_sha256"):
        read_feature_mean(tmp_path / "mean.safetensors", weights_sha256="a" * 64)


def test_a_mean_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FeatureMeanError, match="cannot be read"):
        read_feature_mean(tmp_path / "nothing.safetensors", weights_sha256="a" * 64)
    save_file({"average": np.ones(3, dtype=np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(FeatureMeanError, match="a tensor 'mean'"):
        read_feature_mean(tmp_path / "other.safetensors", weights_sha256="a" * 64)
