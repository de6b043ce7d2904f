"""Features of two taggers at every depth, against the plain networks and the original package's tags."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from training.backbones.kept_filters import read_kept_filters
from training.backbones.musicnn import N_MELS, PretrainedMusicnn, load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.backbones.tagger_features import TaggerFeatures

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "training" / "backbones" / "pretrained"
NAMES = ("msd", "mtt")


@pytest.fixture(scope="module")
def taggers() -> list[tuple[str, PretrainedMusicnn]]:
    return [(name, load_musicnn(WEIGHTS / f"musicnn-{name}.safetensors")) for name in NAMES]


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    return torch.from_numpy(np.load(ROOT / "tests" / "golden" / "musicnn-msd.npz")["log_mel"])


@pytest.fixture(scope="module")
def module(taggers: list[tuple[str, PretrainedMusicnn]], log_mel: Tensor) -> TaggerFeatures:
    pruned = [(name, PrunedMusicnn(tagger.network, n_frames=log_mel.shape[1])) for name, tagger in taggers]
    return TaggerFeatures(pruned, n_mels=N_MELS).eval()


@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_block_is_what_the_plain_network_gives(
    taggers: list[tuple[str, PretrainedMusicnn]], module: TaggerFeatures, log_mel: Tensor, name: str
) -> None:
    with torch.no_grad():
        found = module(log_mel)[:, module.columns(f"{name} hidden")]
        expected = dict(taggers)[name].network(log_mel)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize(("name", "golden"), [("msd", "musicnn-msd.npz"), ("mtt", "musicnn-mtt.npz")])
def test_the_original_packages_tags_follow_from_the_hidden_block(
    taggers: list[tuple[str, PretrainedMusicnn]], module: TaggerFeatures, log_mel: Tensor, name: str, golden: str
) -> None:
    with torch.no_grad():
        tags = dict(taggers)[name].network.tags
        found = torch.sigmoid(tags(module(log_mel)[:, module.columns(f"{name} hidden")]))
    expected = torch.from_numpy(np.load(ROOT / "tests" / "golden" / golden)[f"{name}_tags"])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_pooled_channels_are_maximum_and_mean_of_the_channels_that_move(
    taggers: list[tuple[str, PretrainedMusicnn]], module: TaggerFeatures, log_mel: Tensor, name: str
) -> None:
    plain: list[Tensor] = []
    network = dict(taggers)[name].network
    hook = network.pooled_norm.register_forward_hook(lambda _module, given, _result: plain.append(given[0]))
    with torch.no_grad():
        network(log_mel)
        found = module(log_mel)[:, module.columns(f"{name} pooled")]
    hook.remove()
    half = found.shape[1] // 2
    every_maximum, every_mean = plain[0][:, 0::2], plain[0][:, 1::2]
    # The plain network interleaves both, and has the channels that answer everything with a constant as well.
    for each, all_of_them in ((found[:, :half], every_maximum), (found[:, half:], every_mean)):
        nearest = torch.cdist(each.T.double(), all_of_them.T.double()).min(dim=1).values
        assert nearest.max() < 1e-3


def test_the_spectrum_is_mean_and_deviation_of_each_band(module: TaggerFeatures, log_mel: Tensor) -> None:
    with torch.no_grad():
        found = module(log_mel)[:, module.columns("spectrum")].numpy()
    frames = log_mel.numpy()
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_blocks_lie_side_by_side_and_fill_the_features(module: TaggerFeatures, log_mel: Tensor) -> None:
    places = [module.columns(name) for name, _ in module.blocks]
    assert [place.start for place in places] == [0, *(place.stop for place in places[:-1])]
    with torch.no_grad():
        assert module(log_mel).shape == (len(log_mel), module.width) == (len(log_mel), places[-1].stop)
    with pytest.raises(KeyError):
        module.columns("no such block")


def test_a_tagger_of_few_filters_has_as_few_pooled_channels(
    taggers: list[tuple[str, PretrainedMusicnn]], log_mel: Tensor
) -> None:
    mtt = dict(taggers)["mtt"]
    kept = read_kept_filters(WEIGHTS / "musicnn-mtt-kept.safetensors", weights_sha256=mtt.sha256)
    pruned = PrunedMusicnn(mtt.network, n_frames=log_mel.shape[1], kept=kept)
    module = TaggerFeatures([("mtt", pruned)], n_mels=N_MELS).eval()
    assert dict(module.blocks)["mtt pooled"] == 2 * (int(kept.is_kept.sum()) + 192)
    with torch.no_grad():
        features = module(log_mel)
        assert features.shape == (len(log_mel), module.width)
        torch.testing.assert_close(features[:, module.columns("mtt hidden")], pruned(log_mel))
