"""The backbone, against the table of the paper's network and a second network written from that table."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.made_up import seeded
from training.backbones.inception import Convolution, Inception, scaled_channels

# (name under a block, kernel, stride, channels in: "block", or of a layer before, channels out). Sizes halve with the
# stride module's last layers; the reduction module works on the halved maps.
STRIDE = (
    ("single", 1, 2, "block", 48),
    ("deep.0", 1, 1, "block", 64),
    ("deep.1", 3, 1, 64, 96),
    ("deep.2", 3, 2, 96, 96),
)
REDUCTION = (
    ("single", 1, 1, "block", 64),
    ("broad.0", 1, 1, "block", 48),
    ("broad.1", 5, 1, 48, 64),
    ("deep.0", 1, 1, "block", 64),
    ("deep.1", 3, 1, 64, 96),
    ("deep.2", 3, 1, 96, 96),
    ("pooled.1", 1, 1, "block", 32),
)


def _layers() -> Iterator[tuple[str, int, int, int, int]]:
    """Name, kernel, channels in, channels out, cells of the output, for every convolution at width 1."""
    yield "stem.0", 5, 1, 64, 129 * 128
    cells, channels = 64 * 64, 64
    for block in range(6):
        for name, kernel, stride, n_in, n_out in STRIDE:
            source = channels if n_in == "block" else int(n_in)
            yield f"blocks.{2 * block}.{name}", kernel, source, n_out, cells // stride**2
        cells, channels = cells // 4, channels + 144
        for name, kernel, _, n_in, n_out in REDUCTION:
            source = channels if n_in == "block" else int(n_in)
            yield f"blocks.{2 * block + 1}.{name}", kernel, source, n_out, cells
        channels = 256


def test_every_layer_at_width_one_is_that_of_the_table() -> None:
    found = {
        name: (layer.conv.kernel_size, layer.conv.in_channels, layer.conv.out_channels)
        for name, layer in Inception(generator=seeded()).named_modules()
        if isinstance(layer, Convolution)
    }
    assert found == {name: ((kernel, kernel), n_in, n_out) for name, kernel, n_in, n_out, _ in _layers()}


def test_the_parameters_are_as_many_as_the_table_says() -> None:
    kernels = sum(kernel**2 * n_in * n_out for _, kernel, n_in, n_out, _ in _layers())
    channels = sum(n_out for *_, n_out, _ in _layers())
    # 2.80 million with the dense layer of 256 to 256 that `embedding` adds.
    assert (kernels, channels, kernels + 256 * 256) == (2_731_072, 4_672, 2_796_608)
    normed, plain = Inception(generator=seeded()), Inception(batch_norm=False, generator=seeded())
    assert sum(p.numel() for p in normed.parameters()) == kernels + 2 * channels
    assert sum(p.numel() for p in plain.parameters()) == kernels + channels


def test_an_excerpt_costs_as_many_multiplications_as_the_table_says() -> None:
    expected = sum(kernel**2 * n_in * n_out * cells for _, kernel, n_in, n_out, cells in _layers())
    assert round(expected / 1e9, 2) == 0.85
    network = Inception(generator=seeded()).eval()
    counted = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv2d)
        counted += layer.weight.numel() * output[0, 0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        features = network(torch.zeros(1, 129, 128))
    assert counted == expected
    assert features.shape == (1, network.n_features) == (1, 256)


def test_every_block_halves_both_axes() -> None:
    network = Inception(width=0.25, generator=seeded()).eval()
    shapes = []
    for module in (network.stem, *network.blocks):
        module.register_forward_hook(lambda *call: shapes.append(tuple(call[2].shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 129, 128))
    # A quarter of 64 and 256; of 48, 96 and 32 with what came in, a multiple of eight each: 16 + 24 + 16, 16 + 24 + 64.
    expected = [(16, 64, 64), (56, 32, 32)]
    for size in (32, 16, 8, 4, 2, 1):
        expected += [(64, size, size), (104, size // 2, size // 2)]
    assert shapes == expected[:-1]


def _batch_normed(maps: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
    scale, shift = state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]
    normed = (maps - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + 1e-5)
    return scale[:, None, None] * normed + shift[:, None, None]


def _from_the_table(state: dict[str, Tensor], log_mel: Tensor, *, batch_norm: bool) -> Tensor:
    """The features `(batch, channels)`: the table, layer by layer, with paddings written out."""

    def layer(maps: Tensor, name: str, kernel: int, stride: int) -> Tensor:
        padded = functional.pad(maps, [(kernel - 1) // 2] * 4)
        maps = functional.conv2d(padded, state[f"{name}.conv.weight"], stride=stride)
        maps = _batch_normed(maps, state, name) if batch_norm else maps + state[f"{name}.conv.bias"][:, None, None]
        return maps * (maps > 0)

    def branches(maps: Tensor, block: str, table: tuple[tuple[str, int, int, int | str, int], ...]) -> list[Tensor]:
        outputs: dict[str, Tensor] = {}
        for name, kernel, stride, *_ in table:
            branch = name.split(".")[0]
            outputs[branch] = layer(outputs.get(branch, maps), f"{block}.{name}", kernel, stride)
        return list(outputs.values())

    maps = layer(log_mel[:, None], "stem.0", 5, 1)
    rows, columns = maps.shape[2] // 2, maps.shape[3] // 2
    maps = maps[:, :, : 2 * rows, : 2 * columns].unflatten(2, (rows, 2)).unflatten(4, (columns, 2)).amax(dim=(3, 5))
    for block in range(6):
        pooled = functional.pad(maps, [1] * 4, value=-math.inf).unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(4, 5))
        maps = torch.cat([*branches(maps, f"blocks.{2 * block}", STRIDE), pooled], dim=1)
        # The mean over those cells of the 3 x 3 that are there.
        summed = functional.pad(maps, [1] * 4).unfold(2, 3, 1).unfold(3, 3, 1).sum(dim=(4, 5))
        there = functional.pad(torch.ones_like(maps), [1] * 4).unfold(2, 3, 1).unfold(3, 3, 1).sum(dim=(4, 5))
        name = f"blocks.{2 * block + 1}"
        maps = torch.cat(
            [*branches(maps, name, REDUCTION[:-1]), layer(summed / there, f"{name}.pooled.1", 1, 1)], dim=1
        )
    return maps[:, :, 0, 0]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_network_computes_what_the_table_says(batch_norm: bool) -> None:
    network = Inception(width=0.125, batch_norm=batch_norm, generator=seeded(1)).double().eval()
    with torch.no_grad():
        for name, values in (*network.named_parameters(), *network.named_buffers()):
            if name.endswith(("bias", "norm.weight", "running_mean", "running_var")):
                values.copy_(0.5 + torch.rand(values.shape, generator=seeded(2), dtype=torch.float64))
    log_mel = torch.randn(2, 129, 128, generator=seeded(3), dtype=torch.float64)
    expected = _from_the_table(network.state_dict(), log_mel, batch_norm=batch_norm)
    with torch.no_grad():
        torch.testing.assert_close(network(log_mel), expected, rtol=1e-9, atol=1e-9)


def test_a_longer_excerpt_gives_the_mean_of_what_is_left_of_it() -> None:
    network = Inception(width=0.125, generator=seeded()).eval()
    log_mel = torch.randn(1, 300, 128, generator=seeded(4))
    with torch.no_grad():
        maps = network.blocks(network.stem(log_mel[:, None]))
        assert maps.shape[2:] == (3, 1)
        torch.testing.assert_close(network(log_mel)[0], sum(maps[0, :, row, 0] for row in range(3)) / 3)


@pytest.mark.parametrize(("width", "channels"), [(1.0, 48), (0.5, 24), (0.25, 16), (0.1, 8), (0.001, 8), (1.5, 72)])
def test_a_width_scales_channels_to_eights_and_never_to_none(width: float, channels: int) -> None:
    assert scaled_channels(48, width) == channels


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan])
def test_a_width_that_is_not_positive_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match="expected a positive factor"):
        Inception(width=width, generator=seeded())


def test_first_kernels_are_he_uniform_and_the_generators_alone() -> None:
    torch.manual_seed(1)
    network = Inception(width=0.5, generator=seeded(7))
    torch.manual_seed(2)
    twin, other = Inception(width=0.5, generator=seeded(7)), Inception(width=0.5, generator=seeded(8))
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            largest = math.sqrt(6 / layer.weight[0].numel())
            assert layer.weight.abs().max() <= largest
            # A uniform number in -a .. a has variance a * a / 3.
            assert layer.weight.std().item() == pytest.approx(largest / math.sqrt(3), rel=0.15)
            assert torch.equal(layer.weight, twin.get_parameter(f"{name}.weight"))
            assert not torch.equal(layer.weight, other.get_parameter(f"{name}.weight"))


def test_channels_last_computes_the_same_and_stays_channels_last() -> None:
    network = Inception(width=0.25, generator=seeded()).eval()
    log_mel = torch.randn(2, 129, 128, generator=seeded(5))
    with torch.no_grad():
        expected = network(log_mel)
        network = network.to(memory_format=torch.channels_last)
        kept = []
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(
                    lambda *call: kept.append(call[2].is_contiguous(memory_format=torch.channels_last))
                )
        torch.testing.assert_close(network(log_mel), expected, atol=1e-5, rtol=1e-4)
    assert all(kept)


def test_gradients_in_channels_last_are_those_of_the_usual_layout_even_of_few_channels() -> None:
    log_mel = torch.randn(24, 129, 128, generator=seeded(5))
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        network = Inception(width=0.125, batch_norm=False, generator=seeded()).to(memory_format=memory_format)
        network(log_mel).square().mean().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for usual, last in zip(*gradients, strict=True):
        assert usual is not None
        torch.testing.assert_close(last, usual, atol=1e-3 * usual.abs().max().item(), rtol=0)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("autocast", [True, False])
def test_a_gradient_step_lowers_a_loss(batch_norm: bool, autocast: bool) -> None:
    network = Inception(width=0.125, batch_norm=batch_norm, generator=seeded())
    log_mel = torch.randn(8, 129, 128, generator=seeded(6))

    def loss() -> Tensor:
        features: Tensor = network(log_mel)
        return (features.float() - 1.0).square().mean()

    with torch.no_grad():
        before = loss()
    # The step follows gradients of bfloat16; what it did is looked at in float32, whose rounding is finer than a step.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    torch.optim.SGD(network.parameters(), lr=1e-4).step()
    with torch.no_grad():
        assert loss() < before
