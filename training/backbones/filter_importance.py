"""Which front-end filters of a musicnn matter over music, and layers that make up for the others.

Takes log-mel frames of music; what it finds goes to `kept_filters`, and by that to `pruned_musicnn`. No labels come in:
a pruned network is asked to do what the whole one does.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from training.backbones.kept_filters import KeptFilters, moving_filters, replaced_by_values
from training.backbones.musicnn import N_RESIDUAL_FILTERS, RESIDUAL_FRAMES, Musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn

# ONNX Runtime convolves in blocks of so many filters on a CPU with 512-bit vectors: 33 cost as much as 48.
BLOCK_FILTERS = 16

BATCH_EXCERPTS = 32

# Of the least squares, as shares of each input's variance. The kernel has hundreds of thousands of frames to be fitted
# to and asks for next to nothing; the dense layer has an excerpt for every few of its inputs. Of 0.001 to 1, 1 gave the
# least error on music that was left out.
KERNEL_RIDGE = 1e-3
DENSE_RIDGE = 1.0

# Of the mean of all variances: for inputs that never move in the music.
_FLOOR = 1e-6


@torch.no_grad()
def answers_of_filters(network: Musicnn, log_mel: Tensor) -> Tensor:
    """What every front-end filter that moves answers to music.

    Args:
        network: In evaluation mode.
        log_mel: `(m, frames, 96)` of music, in any precision.

    Returns:
        `(m, moving filters, frames)` float16, which is near enough for means and least squares: 130 KB an excerpt.
    """
    whole = PrunedMusicnn(network, n_frames=log_mel.shape[1])
    return torch.cat([whole.front(frames).half() for frames in _batches(log_mel)])


@torch.no_grad()
def filter_importance(network: Musicnn, answers: Tensor) -> tuple[Tensor, Tensor]:
    """How much each front-end filter moves what reads it.

    That is its deviation over the frames of music, times the root of the mean squared weights that read it: of the
    first convolution over time, per filter of that, and of the hidden layer, per feature.

    Args:
        network: In evaluation mode.
        answers: As `answers_of_filters` gives them.

    Returns:
        Importance and mean over music, each `(561,)` float64; for a filter that cannot move, 0 and its constant.
    """
    moving = moving_filters(network)
    m, n_moving, n_frames = answers.shape
    total, squares = torch.zeros(n_moving).double(), torch.zeros(n_moving).double()
    for front in _batches(answers):
        total += front.double().sum(dim=(0, 2))
        squares += front.double().square().sum(dim=(0, 2))
    mean = total / (m * n_frames)
    deviation = (squares / (m * n_frames) - mean.square()).clamp(min=0.0).sqrt()
    # The columns of a filter's maximum and of its mean.
    maxima, means = moving.hidden_weight.chunk(2, dim=1)
    read = (
        moving.first.square().sum(dim=(0, 2)) / len(moving.first)
        + (maxima.square() + means.square())[:, :n_moving].sum(dim=0) / len(maxima)
    ).sqrt()
    importance, values = torch.zeros_like(moving.values), moving.values.clone()
    importance[moving.is_kept] = deviation * read
    values[moving.is_kept] = mean
    return importance, values


def most_important(network: Musicnn, importance: Tensor, *, n_filters: int) -> Tensor:
    """Choose filters in whole blocks of one kernel size, as part of a block costs what a whole one does.

    The filters of each size are put in blocks from the most important down; then the blocks with the largest sums are
    taken.

    Args:
        network: Whose filters.
        importance: `(561,)`, as `filter_importance` gives it.
        n_filters: How many to keep; a multiple of `BLOCK_FILTERS`.

    Returns:
        `(561,)` bool.

    Raises:
        ValueError: If the number is none of that, or more than there are whole blocks.
    """
    blocks: list[tuple[float, Tensor]] = []
    start = 0
    for branch in network.branches:
        of_size = importance[start : start + branch.conv.out_channels]
        order = of_size.argsort(descending=True, stable=True)
        whole = len(order) // BLOCK_FILTERS * BLOCK_FILTERS
        blocks += [(float(of_size[block].sum()), start + block) for block in torch.split(order[:whole], BLOCK_FILTERS)]
        start += len(of_size)
    if n_filters % BLOCK_FILTERS or not 0 < n_filters <= BLOCK_FILTERS * len(blocks):
        raise ValueError(
            f"{n_filters} filters are to be kept; expected a multiple of {BLOCK_FILTERS} "
            f"up to {BLOCK_FILTERS * len(blocks)}"
        )
    blocks.sort(key=lambda block: -block[0])
    is_kept = torch.zeros(len(importance), dtype=torch.bool)
    is_kept[torch.cat([block for _, block in blocks[: n_filters // BLOCK_FILTERS]])] = True
    return is_kept


@torch.no_grad()
def choose_filters(network: Musicnn, log_mel: Tensor, *, n_filters: int) -> KeptFilters:
    """Keep the filters that matter most over music, and fit the two layers after them to make up for the rest.

    Each filter that is left out is replaced by its mean over the music.

    Args:
        network: In evaluation mode.
        log_mel: `(m, frames, 96)` of music, in any precision.
        n_filters: As `most_important` takes it.

    Raises:
        ValueError: As `most_important` does.
    """
    answers = answers_of_filters(network, log_mel)
    importance, values = filter_importance(network, answers)
    kept = replaced_by_values(network, most_important(network, importance, n_filters=n_filters), values)
    return with_fitted_hidden_layer(network, with_fitted_kernel(network, kept, answers), answers)


@torch.no_grad()
def with_fitted_kernel(network: Musicnn, kept: KeptFilters, answers: Tensor) -> KeptFilters:
    """Fit the first convolution over time: what the filters left out add to it, as well as the kept ones can say.

    By least squares over all frames, of what is left of both about the filters' values.

    Args:
        network: In evaluation mode.
        kept: With the network's own kernel.
        answers: As `answers_of_filters` gives them.
    """
    moving = moving_filters(network)
    # Of the filters that move.
    is_kept, values = kept.is_kept[moving.is_kept], kept.values[moving.is_kept].float()
    of_the_rest = moving.first[:, ~is_kept].float()

    def pairs(front: Tensor) -> tuple[Tensor, Tensor]:
        front = front - values[:, None]
        half = RESIDUAL_FRAMES // 2
        windows = functional.pad(front[:, is_kept], (half, half)).unfold(2, RESIDUAL_FRAMES, 1)
        missing = functional.conv1d(front[:, ~is_kept], of_the_rest, padding=half)
        return windows.transpose(1, 2).flatten(0, 1).flatten(1), missing.transpose(1, 2).flatten(0, 1)

    change = _ridge((pairs(front) for front in _batches(answers)), KERNEL_RIDGE)
    shape = (N_RESIDUAL_FILTERS, int(is_kept.sum()), RESIDUAL_FRAMES)
    return replace(kept, first=kept.first + change.reshape(shape))


@torch.no_grad()
def with_fitted_hidden_layer(network: Musicnn, kept: KeptFilters, answers: Tensor) -> KeptFilters:
    """Fit the hidden layer, before its ReLU, to what the whole network has there, by least squares over excerpts.

    Args:
        network: In evaluation mode.
        kept: What to start from; the fit is drawn towards its hidden layer.
        answers: As `answers_of_filters` gives them.
    """
    n_frames = answers.shape[2]
    whole = PrunedMusicnn(network, n_frames=n_frames)
    pruned = PrunedMusicnn(network, n_frames=n_frames, kept=kept)
    is_kept = kept.is_kept[moving_filters(network).is_kept]
    pooled = torch.cat([pruned.pooled_front(front[:, is_kept]) for front in _batches(answers)]).double()
    wanted = torch.cat([whole.hidden(whole.pooled_front(front)) for front in _batches(answers)]).double()
    missing = wanted - pooled @ kept.hidden_weight.T - kept.hidden_bias
    offset, mean = missing.mean(dim=0), pooled.mean(dim=0)
    change = _ridge(iter([(pooled - mean, missing - offset)]), DENSE_RIDGE)
    return replace(
        kept,
        hidden_weight=kept.hidden_weight + change,
        hidden_bias=kept.hidden_bias + offset - change @ mean,
    )


def _ridge(pairs: Iterator[tuple[Tensor, Tensor]], ridge: float) -> Tensor:
    """`(outputs, inputs)` float64: the linear map from inputs to outputs with the least squared error.

    A weight costs `ridge` times the variance of its input, so that the inputs' units do not matter.

    Args:
        pairs: Inputs `(n, inputs)` and outputs `(n, outputs)` about 0, in parts.
        ridge: Share of the variance.
    """
    n, square, product = 0, torch.zeros(()).double(), torch.zeros(()).double()
    for inputs, outputs in pairs:
        square = square + (inputs.T @ inputs).double()
        product = product + (inputs.T @ outputs).double()
        n += len(inputs)
    square, product = square / n, product / n
    variance = square.diagonal()
    weights: Tensor = torch.linalg.solve(square + torch.diag(ridge * (variance + _FLOOR * variance.mean())), product)
    return weights.T


def _batches(excerpts: Tensor) -> Iterator[Tensor]:
    return (part.float() for part in torch.split(excerpts, BATCH_EXCERPTS))
