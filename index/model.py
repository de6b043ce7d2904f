"""Waveforms become embeddings and tag probabilities. Excerpts come from `audio`, vectors go to `vector_index`.

A `ModelBundle` is all that passes from learning to answering; the format is in `bundle_manifest`. Only this module
knows ONNX Runtime, and only `_providers` knows devices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index.bundle_files import proxies_in, verified
from index.bundle_manifest import (
    CARD_FILE,
    ENCODER_FILE,
    MANIFEST_FILE,
    PROXIES_FILE,
    BundleManifest,
    BundleMismatchError,
    BundleMissingError,
    CalibrationEntry,
)
from index.onnx_runtime import ort
from index.subspaces import Subspaces, Vectors

Device = Literal["cpu", "cuda"]

# On a CPU thread, four excerpts at a time are as fast as one, and half as fast again as sixteen, whose layers fall out
# of its cache. The layers of four take some 30 MB, those of sixteen some 110 MB.
BATCH_SIZE = 4
LARGEST_BATCH_SIZE = 16

# Hex digits of the encoder's sha256 that name its embedding space: 64 bits.
ENCODER_ID_DIGITS = 16


class DeviceUnavailableError(RuntimeError):
    """A device was asked for that this machine, or this build of ONNX Runtime, does not have."""

    code = "device_unavailable"


class WaveformError(ValueError):
    """What was given to embed is not excerpts of audio as the bundle takes them."""

    code = "waveform_invalid"


@dataclass(frozen=True)
class Tag:
    """A word of the bundle's vocabulary; `bundle_manifest.TagEntry` says what is what."""

    name: str
    dimension: str
    bias: float | None = None
    calibration: CalibrationEntry | None = None


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What a bundle hears in some excerpts.

    Attributes:
        vectors: `(n, width)` float32, each sub-space's slice of unit length (or zero where it has no direction).
        tag_probabilities: `(n, tags)` float32 in [0, 1], in the order of the bundle's tags.
    """

    vectors: Vectors
    tag_probabilities: Vectors


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelBundle:
    """A served model. Make one with `open`; `embed` and `encode` may be called from several threads.

    Attributes:
        manifest: All that `bundle.json` says, with recipe and provenance.
        encoder_id: 16 hex digits: vectors are comparable exactly when they were embedded under the same one.
        subspaces: Names and slices of the dimensions.
        tags: In the order of `proxies` and of tag probabilities.
        proxies: `(tags, width)` float32, read-only: each tag's vector in its own dimension's slice, zero elsewhere.
        card: The model card's text (Markdown), None if the bundle has none.
        batch_size: Excerpts that go through the encoder together.
    """

    manifest: BundleManifest
    encoder_id: str
    subspaces: Subspaces
    tags: tuple[Tag, ...]
    proxies: Vectors
    card: str | None
    batch_size: int
    _session: Any

    @property
    def name(self) -> str:
        """Such as `musicnn-msd`."""
        return self.manifest.name

    @property
    def sample_rate(self) -> int:
        """Hz, of the waveforms that `embed` takes."""
        return self.manifest.sample_rate

    @property
    def excerpt_samples(self) -> int:
        """Samples in one excerpt."""
        return self.manifest.excerpt_samples

    @property
    def excerpt_seconds(self) -> float:
        """Length of one excerpt."""
        return self.excerpt_samples / self.sample_rate

    @classmethod
    def open(
        cls, folder: Path, *, threads: int = 1, device: Device = "cpu", batch_size: int = BATCH_SIZE
    ) -> "ModelBundle":
        """Read a bundle, verify all of it, and make its encoder ready.

        Args:
            folder: With `bundle.json`, `encoder.onnx` and `proxies.npy`.
            threads: CPU threads the encoder may use for one call.
            device: Where it runs.
            batch_size: Excerpts that go through the encoder together, 1 to 16. More on the CPU only costs memory.

        Raises:
            BundleError: One of the family in `bundle_manifest`, by what is wrong with the folder.
            DeviceUnavailableError: If CUDA was asked for and is not to be had.
            ValueError: If a setting is out of range.
        """
        if threads < 1:
            raise ValueError(f"threads is {threads}, expected 1 or more")
        if not 1 <= batch_size <= LARGEST_BATCH_SIZE:
            raise ValueError(f"batch_size is {batch_size}, expected 1 to {LARGEST_BATCH_SIZE}")
        if not folder.is_dir():
            raise BundleMissingError(f"{folder} is not a folder; a bundle is one, with {MANIFEST_FILE} in it")
        manifest = BundleManifest.read(folder / MANIFEST_FILE)
        files = {name: verified(folder / name, expected) for name, expected in manifest.files.items()}
        card = folder / CARD_FILE
        return cls(
            manifest=manifest,
            encoder_id=manifest.files[ENCODER_FILE][:ENCODER_ID_DIGITS],
            subspaces=manifest.subspaces,
            tags=tuple(Tag(entry.name, entry.dimension, entry.bias, entry.calibration) for entry in manifest.tags),
            proxies=proxies_in(files[PROXIES_FILE], manifest, folder / PROXIES_FILE),
            card=card.read_text(encoding="utf-8") if card.is_file() else None,
            batch_size=batch_size,
            _session=_open_encoder(
                files[ENCODER_FILE], manifest, folder / ENCODER_FILE, threads=threads, device=device
            ),
        )

    def embed(self, waveforms: NDArray[np.floating[Any]]) -> Embeddings:
        """Embed excerpts.

        An excerpt's vector does not depend on what it is embedded together with, beyond float32 rounding.

        Args:
            waveforms: `(n, excerpt_samples)`, mono at `sample_rate`, full scale 1. n may be 0.

        Raises:
            WaveformError: If the shape or type is another, a sample is not finite, or samples are so far above full
                scale that the encoder overflows.
        """
        embedding, logits = self.encode(waveforms)
        # The logistic function by tanh: nothing overflows however large the logit.
        return Embeddings(self.subspaces.unit(embedding), 0.5 * (1.0 + np.tanh(0.5 * logits)))

    def encode(self, waveforms: NDArray[np.floating[Any]]) -> tuple[Vectors, Vectors]:
        """What the encoder itself gives for excerpts, before slices are brought to unit length.

        Evaluation asks for it, where vectors are also compared by inner product and distance.

        Args:
            waveforms: As `embed` takes them.

        Returns:
            Embedding `(n, width)` and tag logits `(n, tags)`, both float32.

        Raises:
            WaveformError: As `embed` does.
        """
        self._check(waveforms)
        embedding = np.empty((len(waveforms), self.subspaces.width), dtype=np.float32)
        logits = np.empty((len(waveforms), len(self.tags)), dtype=np.float32)
        for batch in self._batches(len(waveforms)):
            excerpts = np.ascontiguousarray(waveforms[batch], dtype=np.float32)
            embedding[batch], logits[batch] = self._session.run(["embedding", "tag_logits"], {"waveform": excerpts})
        overflowed = ~(np.isfinite(embedding).all(axis=1) & np.isfinite(logits).all(axis=1))
        if overflowed.any():
            first = int(overflowed.argmax())
            raise WaveformError(
                f"excerpt {first} has a peak of {np.abs(waveforms[first]).max():.3g}, which the encoder cannot take; "
                "expected samples with full scale 1"
            )
        return embedding, logits

    def _check(self, waveforms: NDArray[np.floating[Any]]) -> None:
        if waveforms.ndim != 2 or waveforms.shape[1] != self.excerpt_samples:
            raise WaveformError(
                f"waveforms have shape {waveforms.shape}, expected (n, {self.excerpt_samples}): "
                f"{self.excerpt_seconds:g} s of mono audio at {self.sample_rate} Hz each"
            )
        if not np.issubdtype(waveforms.dtype, np.floating):
            raise WaveformError(f"samples are {waveforms.dtype}, expected floating point with full scale 1")
        for batch in self._batches(len(waveforms)):
            if not np.isfinite(waveforms[batch]).all():
                raise WaveformError(f"a sample of excerpts {batch.start} to {batch.stop - 1} is not finite")

    def _batches(self, n: int) -> Iterator[slice]:
        for start in range(0, n, self.batch_size):
            yield slice(start, min(start + self.batch_size, n))


def _open_encoder(content: bytes, manifest: BundleManifest, path: Path, *, threads: int, device: Device) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that waits for work sleeps, for the web server shares these cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without the arena, what a call needed goes back to the system after it: the process stays small between calls,
    # and small batches lose no speed by it.
    options.enable_cpu_mem_arena = False
    # Errors come as exceptions; nothing is printed.
    options.log_severity_level = 4
    providers = _providers(device)
    try:
        session = ort.InferenceSession(content, options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise BundleMismatchError(f"{path}: ONNX Runtime cannot load it: {error}") from error
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise DeviceUnavailableError(
            "ONNX Runtime has CUDA support but could not start it; check the driver and the CUDA libraries, "
            "or set the device to cpu"
        )
    _check_encoder(session, manifest, path)
    return session


def _providers(device: Device) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    available = ort.get_available_providers()
    if "CUDAExecutionProvider" not in available:
        raise DeviceUnavailableError(
            f"device cuda was asked for; this build of ONNX Runtime has {', '.join(available)}. "
            "Install onnxruntime-gpu in place of onnxruntime, or set the device to cpu"
        )
    # Full float32 products: vectors made on a GPU and on a CPU then belong in one index.
    return [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]


def _check_encoder(session: Any, manifest: BundleManifest, path: Path) -> None:
    """Inputs and outputs must be those of the format, and as wide as the manifest tells; the batch must be free."""
    expected = {
        "waveform": manifest.excerpt_samples,
        "embedding": manifest.subspaces.width,
        "tag_logits": len(manifest.tags),
    }
    found = {port.name: (port.type, list(port.shape)) for port in [*session.get_inputs(), *session.get_outputs()]}
    if found.keys() != expected.keys():
        raise BundleMismatchError(f"{path} has {', '.join(found)}; an encoder has {', '.join(expected)}")
    for name, size in expected.items():
        kind, shape = found[name]
        if kind != "tensor(float)" or len(shape) != 2 or isinstance(shape[0], int) or shape[1] != size:
            raise BundleMismatchError(
                f"{path}: {name} is {kind} {shape}, {MANIFEST_FILE} tells of tensor(float) ['batch', {size}]"
            )
