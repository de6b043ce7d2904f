"""Filters left out for constants, against the plain network with its filters' answers overwritten; and the choice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.backbones.filter_importance import (
    answers_of_filters,
    choose_filters,
    filter_importance,
    most_important,
    with_fitted_hidden_layer,
    with_fitted_kernel,
)
from training.backbones.kept_filters import (
    KeptFilters,
    KeptFiltersError,
    moving_filters,
    read_kept_filters,
    replaced_by_values,
    write_kept_filters,
)
from training.backbones.musicnn import (
    N_FRONT_END,
    N_TEMPORAL_FILTERS,
    N_TIMBRAL_FILTERS,
    FrontEndBranch,
    Musicnn,
    PretrainedMusicnn,
    load_musicnn,
)
from training.backbones.pruned_musicnn import PrunedMusicnn

ROOT = Path(__file__).parents[2]
PRETRAINED = ROOT / "training" / "backbones" / "pretrained"
SIZES = [N_TIMBRAL_FILTERS] * 2 + [N_TEMPORAL_FILTERS] * 3


@pytest.fixture(scope="module")
def pretrained() -> PretrainedMusicnn:
    return load_musicnn(PRETRAINED / "musicnn-mtt.safetensors")


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    """Golden excerpts, louder, softer and slower, so that there is something to fit to: `(12, 187, 96)`."""
    golden = torch.from_numpy(np.load(ROOT / "tests" / "golden" / "musicnn-msd.npz")["log_mel"])
    slow = golden.repeat_interleave(2, dim=1)[:, : golden.shape[1]]
    return torch.cat([golden, (golden - 0.5).clamp(min=0.0), golden + 0.3, slow])


@pytest.fixture(scope="module")
def answers(pretrained: PretrainedMusicnn, log_mel: Tensor) -> Tensor:
    return answers_of_filters(pretrained.network, log_mel)


def some_filters(seed: int) -> tuple[Tensor, Tensor]:
    """Which are kept, and what stands for the others; of the temporal filters of 64 frames, none."""
    rng = np.random.default_rng(seed)
    is_kept = torch.from_numpy(rng.random(N_FRONT_END) < 0.2)
    is_kept[sum(SIZES[:3]) : sum(SIZES[:4])] = False
    return is_kept, torch.from_numpy(rng.uniform(-1, 1, N_FRONT_END))


def overwritten(network: Musicnn, is_kept: Tensor, values: Tensor, log_mel: Tensor) -> Tensor:
    """The plain network, each of the filters that is not kept answering its value whatever it hears."""

    def overwrite(is_kept: Tensor, values: Tensor) -> Callable[[nn.Module, object, Tensor], Tensor]:
        return lambda _module, _given, answer: torch.where(is_kept[:, None], answer, values[:, None].float())

    hooks = [
        branch.register_forward_hook(overwrite(kept, value))
        for branch, kept, value in zip(
            network.branches, torch.split(is_kept, SIZES), torch.split(values, SIZES), strict=True
        )
    ]
    with torch.no_grad():
        found: Tensor = network(log_mel)
    for hook in hooks:
        hook.remove()
    return found


def test_with_all_filters_that_move_the_answer_is_the_pruned_networks_to_the_bit(
    pretrained: PretrainedMusicnn, log_mel: Tensor
) -> None:
    kept = moving_filters(pretrained.network)
    assert int(kept.is_kept.sum()) == 345
    with torch.no_grad():
        found = PrunedMusicnn(pretrained.network, n_frames=187, kept=kept)(log_mel)
        assert torch.equal(found, PrunedMusicnn(pretrained.network, n_frames=187)(log_mel))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_filter_that_is_left_out_answers_its_constant(
    pretrained: PretrainedMusicnn, log_mel: Tensor, seed: int
) -> None:
    network = pretrained.network
    is_kept, values = some_filters(seed)
    pruned = PrunedMusicnn(network, n_frames=187, kept=replaced_by_values(network, is_kept, values))
    with torch.no_grad():
        found, whole = pruned(log_mel), network(log_mel)
    expected = overwritten(network, is_kept, values, log_mel)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    assert (expected - whole).abs().max() > 0.1
    assert len(pruned.branches) == 4, "a size of which no filter is kept is not convolved"


def test_a_fitted_kernel_reads_what_the_kept_filters_differ_from_their_values_by(
    pretrained: PretrainedMusicnn, log_mel: Tensor
) -> None:
    network = pretrained.network
    is_kept, values = some_filters(2)
    kept = replaced_by_values(network, is_kept, values)
    change = 0.01 * torch.randn(kept.first.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pruned = PrunedMusicnn(network, n_frames=187, kept=replace(kept, first=kept.first + change))
    unchanged = PrunedMusicnn(network, n_frames=187, kept=kept)
    with torch.no_grad():
        front = pruned.front(log_mel)
        about = front - values[is_kept].float()[:, None]
        found = nn.functional.conv1d(front, pruned.kernel, padding=3) + pruned.constant
        before = nn.functional.conv1d(front, unchanged.kernel, padding=3) + unchanged.constant
        expected = before + nn.functional.conv1d(about, change.float(), padding=3)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_importance_is_the_deviation_of_what_a_filter_answers_times_the_weights_that_read_it(
    pretrained: PretrainedMusicnn, log_mel: Tensor, answers: Tensor
) -> None:
    network = pretrained.network
    importance, values = filter_importance(network, answers)
    with torch.no_grad():
        spectrogram = network.input_norm(log_mel[:, None])
        plain = torch.cat([branch(spectrogram) for branch in network.branches], dim=1).double()
    norm = network.pooled_norm
    scale = (norm.weight / (norm.get_buffer("running_var") + norm.eps).sqrt()).double()
    dense = (network.hidden.weight.double() * scale).detach()
    for number in (0, 3, 230, 420, 470, 555):
        kernel = network.first.conv.weight[:, number].double().detach()
        columns = dense[:, 2 * number : 2 * number + 2]
        read = (kernel.square().sum() / 64 + columns.square().sum() / 200).sqrt()
        expected = plain[:, number].std(correction=0) * read
        torch.testing.assert_close(importance[number], expected, atol=1e-6, rtol=1e-2)
        torch.testing.assert_close(values[number], plain[:, number].mean(), atol=1e-3, rtol=1e-3)


def test_filters_are_kept_in_whole_blocks_of_one_size_the_weightiest_first(pretrained: PretrainedMusicnn) -> None:
    importance = torch.zeros(N_FRONT_END, dtype=torch.float64)
    importance[10:26] = 1.0
    importance[300:316] = 3.0
    importance[560] = 40.0
    of_two = most_important(pretrained.network, importance, n_filters=32)
    assert of_two[300:316].all()
    assert of_two[560]
    assert [int(kept.sum()) for kept in torch.split(of_two, SIZES)] == [0, 16, 0, 0, 16]
    assert most_important(pretrained.network, importance, n_filters=48)[10:26].all()


@pytest.mark.parametrize("n_filters", [0, 17, -16, 561, 1600])
def test_a_number_that_is_no_whole_blocks_is_refused(pretrained: PretrainedMusicnn, n_filters: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        most_important(pretrained.network, torch.ones(N_FRONT_END), n_filters=n_filters)


def test_each_fit_brings_the_hidden_layer_nearer_to_the_whole_networks(
    pretrained: PretrainedMusicnn, log_mel: Tensor, answers: Tensor
) -> None:
    network = pretrained.network
    importance, values = filter_importance(network, answers)
    left_out = replaced_by_values(network, most_important(network, importance, n_filters=64), values)
    kernel = with_fitted_kernel(network, left_out, answers)
    both = with_fitted_hidden_layer(network, kernel, answers)

    def error(kept: KeptFilters) -> float:
        whole, pruned = PrunedMusicnn(network, n_frames=187), PrunedMusicnn(network, n_frames=187, kept=kept)
        with torch.no_grad():
            return float((pruned.hidden(pruned.pooled(log_mel)) - whole.hidden(whole.pooled(log_mel))).square().mean())

    assert error(left_out) > error(kernel) > error(both)
    assert torch.equal(choose_filters(network, log_mel, n_filters=64).hidden_weight, both.hidden_weight)


def test_what_is_written_is_read_again(pretrained: PretrainedMusicnn, tmp_path: Path) -> None:
    kept = replaced_by_values(pretrained.network, *some_filters(3))
    write_kept_filters(tmp_path / "kept.safetensors", kept, weights_sha256="abc", music="none")
    found = read_kept_filters(tmp_path / "kept.safetensors", weights_sha256="abc")
    assert torch.equal(found.is_kept, kept.is_kept)
    assert torch.equal(found.values, kept.values)
    for name in ("first", "hidden_weight", "hidden_bias"):
        torch.testing.assert_close(getattr(found, name), getattr(kept, name), atol=1e-6, rtol=1e-6)


def test_a_file_for_other_weights_is_refused(pretrained: PretrainedMusicnn, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    write_kept_filters(path, moving_filters(pretrained.network), weights_sha256="0" * 64, music="none")
    with pytest.raises(KeptFiltersError, match=f"made for weights 000000000000, not for {pretrained.sha256[:12]}"):
        read_kept_filters(path, weights_sha256=pretrained.sha256)


def test_a_file_that_is_missing_torn_or_incomplete_is_refused(pretrained: PretrainedMusicnn, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    with pytest.raises(KeptFiltersError, match="cannot be read"):
        read_kept_filters(path, weights_sha256="abc")
    write_kept_filters(path, moving_filters(pretrained.network), weights_sha256="abc", music="none")
    # Copies: the file they are mapped from is torn.
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(KeptFiltersError, match="cannot be read"):
        read_kept_filters(path, weights_sha256="abc")
    save_file(tensors, path, metadata={"weights_sha256": "abc"})
    with pytest.raises(KeptFiltersError, match="lacks metadata: music"):
        read_kept_filters(path, weights_sha256="abc")
    tensors["is_kept"][0] = ~tensors["is_kept"][0]
    save_file(tensors, path, metadata={"weights_sha256": "abc", "music": "none"})
    with pytest.raises(KeptFiltersError, match="first, hidden_weight does not fit"):
        read_kept_filters(path, weights_sha256="abc")


def test_the_file_that_ships_fits_the_weights_and_keeps_what_the_tags_say(
    pretrained: PretrainedMusicnn, log_mel: Tensor
) -> None:
    kept = read_kept_filters(PRETRAINED / "musicnn-mtt-kept.safetensors", weights_sha256=pretrained.sha256)
    pruned = PrunedMusicnn(pretrained.network, n_frames=187, kept=kept)
    golden = log_mel[:3]
    with torch.no_grad():
        found, whole = (pretrained.network.tags(network(golden)) for network in (pruned, pretrained.network))
    assert np.corrcoef(found.flatten().numpy(), whole.flatten().numpy())[0, 1] > 0.95
    assert [int(of_size.sum()) for of_size in torch.split(kept.is_kept, SIZES)] == [32, 32, 0, 16, 32]


def test_sizes_are_those_of_the_networks_branches(pretrained: PretrainedMusicnn) -> None:
    branches: tuple[FrontEndBranch, ...] = pretrained.network.branches
    assert [branch.conv.out_channels for branch in branches] == SIZES
