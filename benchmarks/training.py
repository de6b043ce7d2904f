"""How fast training is: Facet's loop, its bare forward and backward passes, and the plainest loop beside them.

    python -m benchmarks.training --width 0.25 --batch-excerpts 64 --steps 20

One table for each of two losses: disentangled proxies (labels of every excerpt) and disentangled triplets. All compute
the same network on the same made noise.

- *bare*: forward, loss, backward and Adam's step on one batch that lies on the device, again and again: what no loop
  can be faster than on this machine, in this precision and layout.
- *Facet*: the loop of `facet train`, frames from the memory-mapped cache, without validation and checkpoints.
- *plain*: what one writes first: torchaudio's log-mel of each batch's waveforms as it comes, float32, the usual layout,
  the loss from pytorch-metric-learning (triplets) or from torch (tags). Waveforms lie in memory, so it is spared the
  decoding of audio, which would slow it further.

The goal: Facet's loop reaches 95 % of bare.
"""

import argparse
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.made_up import machine
from training.batches import BatchLoader, load_batch, make_sampler
from training.datasets.manifest import Manifest, Split
from training.device import Compute, choose_compute
from training.embedding import dimension_masks
from training.losses.tagging import TaggingLoss
from training.model import Model, build_model
from training.paper_log_mel import PAPER_LOG_MEL, PaperLogMel
from training.processes import Processes
from training.recipe import Recipe
from training.recipe_files import read_recipe
from training.train import train_step
from training.training_data import TrainingData, prepare_data
from training.vocabulary import Vocabulary, VocabularyTag

N_TRACKS = 64
EXCERPTS_PER_TRACK = 4
EXCERPTS_PER_ROW = {"disentangled_proxy": 1, "disentangled_triplet": 3}

DIMENSIONS = ("genre", "mood", "instrument", "era")
TAGS = tuple(VocabularyTag(f"{name} {number}", name) for name in DIMENSIONS for number in range(12))
VOCABULARY = Vocabulary("made up", "made up", DIMENSIONS, TAGS)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-excerpts", type=int, default=96)
    parser.add_argument("--steps", type=int, default=20, help="Timed in each of the rounds.")
    parser.add_argument("--rounds", type=int, default=3, help="The ways take turns; the fastest round counts.")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="As of facet train.")
    arguments = parser.parse_args()
    print(
        f"{machine()}; torch {torch.__version__}; width {arguments.width}, {arguments.batch_excerpts} excerpts a step"
    )
    with tempfile.TemporaryDirectory(prefix="facet-training-") as folder:
        manifest = make_noise(Path(folder))
        for name, excerpts_per_row in EXCERPTS_PER_ROW.items():
            rows = max(1, arguments.batch_excerpts // excerpts_per_row)
            settings = [f"backbone.width={arguments.width}", f"training.batch_rows={rows}", *arguments.overrides]
            recipe = read_recipe(name, overrides=settings)
            compute = choose_compute(recipe.machine)
            data = prepare_data(recipe, manifest, VOCABULARY, cache=Path(folder) / "cache", threads=compute.threads)
            print(f"\n{name}, {compute}\n\n| way | excerpts a second | of bare |\n|-|-:|-:|")
            measure(recipe, data, compute, excerpts=rows * excerpts_per_row, arguments=arguments)


def measure(
    recipe: Recipe, data: TrainingData, compute: Compute, *, excerpts: int, arguments: argparse.Namespace
) -> None:
    """Print a row for each way; they take turns, so that what else the machine does hits all alike."""
    ways = {
        "bare": bare(recipe, data, compute),
        "Facet": whole(recipe, data, compute),
        "plain": plain(recipe, data, compute),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            speeds[name].append(excerpts * arguments.steps / way(arguments.steps))
    # What else the machine does only slows a round down: the fastest is the nearest to what the way can do.
    for name, found in speeds.items():
        share = max(found) / max(speeds["bare"])
        print(f"| {name} | {max(found):.1f} (slowest round {min(found):.1f}) | {share:.1%} |", flush=True)


def _model_and_optimizer(recipe: Recipe, compute: Compute) -> tuple[Model, torch.optim.Optimizer]:
    model = compute.place(build_model(recipe, VOCABULARY)).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    is_fused = compute.device.type == "cuda"
    return model, torch.optim.Adam(parameters, lr=recipe.training.learning_rate, fused=is_fused)


def _timed(step: Callable[[], None], compute: Compute, steps: int) -> float:
    """Seconds for some steps, after two that warm up."""
    for _ in range(2):
        step()
    compute.synchronise()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    compute.synchronise()
    return time.perf_counter() - began


def bare(recipe: Recipe, data: TrainingData, compute: Compute) -> Callable[[int], float]:
    """Steps on a batch that lies on the device as float32."""
    model, optimizer = _model_and_optimizer(recipe, compute)
    sampler, _ = make_sampler(recipe, model.loss, data.train, VOCABULARY, np.random.default_rng(0))
    loaded = load_batch(
        sampler.draw(recipe.training.batch_rows), {}, side=data.train, cache=data.cache, compute=compute
    )
    frames, targets = compute.frames(loaded.frames), loaded.targets.to(compute.device)

    def step() -> None:
        with compute.autocast():
            embeddings = model.network(frames)
        loss = model.loss(embeddings, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return lambda steps: _timed(step, compute, steps)


def whole(recipe: Recipe, data: TrainingData, compute: Compute) -> Callable[[int], float]:
    """Steps of `facet train`, batches drawn and fetched beside."""
    model, optimizer = _model_and_optimizer(recipe, compute)
    processes = Processes()

    def run(steps: int) -> float:
        sampler, _ = make_sampler(recipe, model.loss, data.train, VOCABULARY, np.random.default_rng(0))
        with BatchLoader(
            sampler, data.train, rows=recipe.training.batch_rows, cache=data.cache, compute=compute, processes=processes
        ) as batches:
            return _timed(lambda: train_step(model, optimizer, next(batches), compute, processes), compute, steps)  # type: ignore[arg-type, return-value]

    return run


def plain(recipe: Recipe, data: TrainingData, compute: Compute) -> Callable[[int], float]:
    """Steps of the loop one writes first."""
    usual = replace(compute, is_bfloat16=False, is_channels_last=False)
    model, optimizer = _model_and_optimizer(recipe, usual)
    front_end = PaperLogMel().to(compute.device)
    rng = np.random.default_rng(0)
    samples = 0.3 * rng.uniform(-1, 1, (N_TRACKS, PAPER_LOG_MEL.excerpt_samples)).astype(np.float32)
    waveforms = torch.from_numpy(samples)
    sampler, _ = make_sampler(recipe, model.loss, data.train, VOCABULARY, rng)
    masks = dimension_masks(model.subspaces).to(compute.device)
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss

    triplet_loss = TripletMarginLoss(margin=0.1, distance=CosineSimilarity())

    def step() -> None:
        batch = sampler.draw(recipe.training.batch_rows)
        positions = batch.positions.reshape(-1)
        embeddings = model.network(front_end(waveforms[positions % N_TRACKS].to(compute.device)))
        if isinstance(model.objective, TaggingLoss):
            labels = torch.from_numpy(data.train.labels[positions].toarray()).to(compute.device)
            logits = model.objective.proxies(embeddings)
            loss = functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="sum") / len(positions)
        else:
            dimensions = torch.from_numpy(batch.tag_dimensions).to(compute.device)
            losses = []
            for number, mask in enumerate(masks):
                triplets = torch.from_numpy(batch.tag_triplets).to(compute.device)[dimensions == number]
                if len(triplets):
                    unused = torch.arange(len(positions), device=compute.device)
                    losses.append(
                        len(triplets) * triplet_loss(embeddings * mask, unused, indices_tuple=triplets.unbind(dim=1))
                    )
            loss = torch.stack(losses).sum() / len(batch.tag_triplets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return lambda steps: _timed(step, usual, steps)


def make_noise(folder: Path) -> Manifest:
    """Files of noise, each with a tag of every dimension."""
    rng = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(N_TRACKS + 16)]
    for name in names:
        samples = rng.uniform(-0.3, 0.3, EXCERPTS_PER_TRACK * PAPER_LOG_MEL.excerpt_samples)
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(PAPER_LOG_MEL.sample_rate)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
    # The first 24 have every tag twice, so that none is missing.
    tags = [
        tuple(f"{name} {number % 12 if number < 24 else rng.integers(12)}" for name in DIMENSIONS)
        for number in range(len(names))
    ]
    split = [Split.TRAIN] * N_TRACKS + [Split.VALID] * 16
    return Manifest.of(folder, path=names, track_id=names, tags=tags, split=split)


if __name__ == "__main__":
    main()
