"""A torch encoder becomes an ONNX graph, held against a reference before anyone may use it. `export` calls it.

An encoder takes `waveform (batch, samples)` and gives `embedding (batch, width)` and `tag_logits (batch, tags)`.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from index.onnx_runtime import ort

OUTPUTS = ("embedding", "tag_logits")

# Largest difference between the graph and the reference in any number of the outputs. The features are of size 1;
# float32 rounding in another order of summation makes about 1e-5 of it.
PARITY_TOLERANCE = 1e-4


class ParityError(Exception):
    """The exported graph computes something else than the reference it was made from."""


class Encoder(nn.Module):
    """Front end, backbone and two linear maps of its features: all that a bundle's graph holds."""

    def __init__(self, front_end: nn.Module, backbone: nn.Module, *, projection: nn.Linear, tags: nn.Linear) -> None:
        super().__init__()
        self.front_end = front_end
        self.backbone = backbone
        self.projection = projection
        self.tags = tags

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Turn `(batch, samples)` into `(batch, width)` and `(batch, tags)`."""
        features = self.backbone(self.front_end(waveform))
        return self.projection(features), self.tags(features)


def encoder_graph(encoder: nn.Module, *, excerpt_samples: int) -> bytes:
    """Export an encoder in evaluation mode. The same encoder gives the same bytes.

    The exporter writes source paths and its build into the graph; they are taken out, as nothing may depend on whose
    machine it was made on.
    """
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            encoder.eval(),
            (torch.zeros(2, excerpt_samples),),
            dynamo=True,
            input_names=["waveform"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program, though it was asked for the dynamo exporter's")
    graph = program.model_proto
    graph.producer_name, graph.producer_version, graph.doc_string = "facet", "", ""
    del graph.metadata_props[:]
    del graph.graph.metadata_props[:]
    del graph.graph.value_info[:]
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter warns of every optional package that is not there; none is of use here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def parity_waveforms(*, sample_rate: int, excerpt_samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Excerpts that try a front end and a network: `(8, excerpt_samples)`.

    Silence, a click, faint, middling and clipped noise, and a made-up band at three levels: decaying chords of eight
    harmonics over noise on every beat. No recording ships with the code that exports.
    """
    seconds = np.arange(excerpt_samples) / sample_rate
    noise = rng.standard_normal(excerpt_samples)
    click = np.zeros(excerpt_samples)
    click[excerpt_samples // 2] = 1.0
    band = np.zeros(excerpt_samples)
    for beat, root in enumerate((110.0, 146.8, 164.8, 110.0, 98.0, 130.8)):
        since = seconds - 0.5 * beat
        sounding = np.where(since >= 0, np.exp(-3.0 * np.abs(since)), 0.0)
        for chord_ratio in (1.0, 1.25, 1.5):
            for harmonic in range(1, 9):
                pitch = root * chord_ratio * harmonic
                band += sounding * np.sin(2 * math.pi * pitch * since) / harmonic * (pitch < sample_rate / 2)
        band += np.where(since >= 0, np.exp(-40.0 * np.abs(since)), 0.0) * rng.standard_normal(excerpt_samples)
    band /= np.abs(band).max()
    excerpts = [np.zeros(excerpt_samples), click, 1e-4 * noise, 0.1 * noise, np.clip(3.0 * noise, -1.0, 1.0)]
    return np.stack([*excerpts, 0.01 * band, 0.5 * band, np.clip(4.0 * band, -1.0, 1.0)]).astype(np.float32)


def check_parity(
    graph: bytes, reference: nn.Module, waveforms: NDArray[np.float32], *, tolerance: float = PARITY_TOLERANCE
) -> Mapping[str, float]:
    """Hold a graph under ONNX Runtime against a torch encoder.

    Args:
        graph: Of the exported encoder.
        reference: What it should compute; ideally written the plain way where the exported one was made fast.
        waveforms: `(n, samples)`.
        tolerance: Largest difference in any number that is rounding, where numbers are of another size than 1.

    Returns:
        The largest difference found in each output.

    Raises:
        ParityError: If one is above `tolerance`, or a number is not finite.
    """
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [output.numpy() for output in reference.eval()(torch.from_numpy(waveforms))]
    found = session.run(list(OUTPUTS), {"waveform": waveforms})
    differences: dict[str, float] = {}
    for name, expected_numbers, found_numbers in zip(OUTPUTS, expected, found, strict=True):
        per_excerpt = np.abs(found_numbers - expected_numbers).max(axis=1)
        # Not "above": a difference that is not a number must not pass.
        if not (per_excerpt <= tolerance).all():
            worst = int(np.nan_to_num(per_excerpt, nan=np.inf).argmax())
            raise ParityError(
                f"{name} of excerpt {worst} differs by {per_excerpt[worst]:.3g} between ONNX Runtime and torch; "
                f"at most {tolerance:g} is rounding"
            )
        differences[name] = float(per_excerpt.max())
    return differences
