"""The network, against golden tag probabilities of the original package, and its pruned form, against the network."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.backbones.musicnn import (
    N_CHANNELS,
    N_FRONT_END,
    Musicnn,
    PretrainedMusicnn,
    PretrainedWeightsError,
    load_musicnn,
)
from training.backbones.pruned_musicnn import PrunedMusicnn

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "training" / "backbones" / "pretrained" / "musicnn-msd.safetensors"
GOLDEN = ROOT / "tests" / "golden" / "musicnn-msd.npz"


@pytest.fixture(scope="module")
def pretrained() -> PretrainedMusicnn:
    return load_musicnn(WEIGHTS)


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    return torch.from_numpy(np.load(GOLDEN)["log_mel"])


def test_the_original_packages_tag_probabilities_are_met(pretrained: PretrainedMusicnn, log_mel: Tensor) -> None:
    with torch.no_grad():
        found = torch.sigmoid(pretrained.network.tags(pretrained.network(log_mel)))
    expected = torch.from_numpy(np.load(GOLDEN)["msd_tags"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_weight_file_tells_its_tags_and_where_it_comes_from(pretrained: PretrainedMusicnn) -> None:
    assert len(pretrained.tags) == 50
    assert pretrained.tags[:3] == ("rock", "pop", "alternative")
    assert pretrained.licence == "ISC"
    assert "musicnn 0.1.0" in pretrained.source
    assert pretrained.sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert not pretrained.network.training


def test_the_network_has_the_sizes_of_its_description() -> None:
    assert (N_FRONT_END, N_CHANNELS) == (561, 753)
    assert Musicnn(188).tags.out_features == 188


def test_an_excerpts_features_do_not_depend_on_its_batch(pretrained: PretrainedMusicnn, log_mel: Tensor) -> None:
    with torch.no_grad():
        together = pretrained.network(log_mel)
        alone = torch.cat([pretrained.network(excerpt[None]) for excerpt in log_mel])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_network_learns_from_its_gradient(log_mel: Tensor) -> None:
    torch.manual_seed(0)
    network = Musicnn(4)
    labels = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]])
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    losses = []
    for _ in range(2):
        loss = nn.functional.binary_cross_entropy_with_logits(network.tags(network(log_mel)), labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert losses[1] < losses[0]


def test_pruning_the_pretrained_network_changes_nothing(pretrained: PretrainedMusicnn, log_mel: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 7.0 * torch.rand(1, 187, 96, generator=generator)
    frames = torch.cat([log_mel, noise, torch.zeros(1, 187, 96)])
    pruned = PrunedMusicnn(pretrained.network, n_frames=187)
    with torch.no_grad():
        torch.testing.assert_close(pruned(frames), pretrained.network(frames), atol=2e-5, rtol=0)


def test_pruning_leaves_sixty_four_of_the_pretrained_filters(pretrained: PretrainedMusicnn) -> None:
    pruned = PrunedMusicnn(pretrained.network, n_frames=187)
    assert [branch.get_buffer("kernel").shape[0] for branch in pruned.branches] == [23, 14, 3, 7, 17]


def _untidy_network() -> Musicnn:
    """Random weights with all that pruning must get right: batch norms of either sign, dead kernels, dead scales."""
    torch.manual_seed(1)
    network = Musicnn(5).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.weight.uniform_(-1.0, 1.0)
                module.bias.uniform_(-1.0, 1.0)
                module.get_buffer("running_mean").uniform_(-0.2, 0.2)
                module.get_buffer("running_var").uniform_(0.5, 1.5)
        for branch in network.branches:
            branch.conv.weight[::3] = 0.0
            branch.norm.weight[1::4] = 1e-12
            branch.conv.get_parameter("bias").uniform_(-1.0, 1.0)
    return network


@pytest.mark.parametrize("n_frames", [10, 187])
def test_pruning_any_network_changes_nothing(n_frames: int) -> None:
    network = _untidy_network()
    pruned = PrunedMusicnn(network, n_frames=n_frames)
    frames = 6.0 * torch.rand(2, n_frames, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = network(frames)
        torch.testing.assert_close(pruned(frames), expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.01
    alive = [sum(1 for n in range(filters) if n % 3 and n % 4 != 1) for filters in (204, 204, 51, 51, 51)]
    assert [branch.get_buffer("kernel").shape[0] for branch in pruned.branches] == alive


def test_a_network_in_training_is_not_pruned() -> None:
    with pytest.raises(ValueError, match="training mode"):
        PrunedMusicnn(Musicnn(5), n_frames=187)


def test_a_missing_weight_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PretrainedWeightsError, match="cannot be read"):
        load_musicnn(tmp_path / "nothing.safetensors")


def test_a_truncated_weight_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "short.safetensors").write_bytes(WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(PretrainedWeightsError, match="cannot be read"):
        load_musicnn(tmp_path / "short.safetensors")


def test_weights_without_metadata_are_refused(tmp_path: Path) -> None:
    save_file(load_file(WEIGHTS), tmp_path / "bare.safetensors", metadata={"source": "here"})
    with pytest.raises(PretrainedWeightsError, match="lacks metadata: tags, licence"):
        load_musicnn(tmp_path / "bare.safetensors")


@pytest.mark.parametrize(
    ("variable", "replacement", "complaint"),
    [
        ("conv2d_3/kernel", None, "lacks the variable 'conv2d_3/kernel'"),
        ("batch_normalization_10/gamma", None, "lacks the variable"),
        ("dense/bias", torch.zeros(3), "does not fit the network of 50 tags"),
    ],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, variable: str, replacement: Tensor | None, complaint: str
) -> None:
    variables = load_file(WEIGHTS)
    del variables[variable]
    if replacement is not None:
        variables[variable] = replacement
    tags = json.dumps([str(number) for number in range(50)])
    path = tmp_path / "other.safetensors"
    save_file(variables, path, metadata={"tags": tags, "source": "here", "licence": "ISC"})
    with pytest.raises(PretrainedWeightsError, match=complaint):
        load_musicnn(path)
