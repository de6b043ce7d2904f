"""A real bundle that hears tones, one for each of its tags, and music to try it on: half a second to an excerpt.

Its encoder is a matrix product with the tones. Music made of the tones of its tags has perfect embeddings; noise has
embeddings without meaning.
"""

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import soundfile
from onnx import TensorProto, helper, numpy_helper

from training.datasets.manifest import Manifest, Split
from training.datasets.manifest_files import write_manifest

RATE, SAMPLES = 8_000, 4_000
TAGS = (("warm", "timbre"), ("dry", "timbre"), ("hollow", "timbre"), ("swung", "groove"), ("straight", "groove"))
SLICES = {"timbre": (0, 3), "groove": (3, 5)}
# All of them end with the excerpt, as 2 Hz is one period of it: no tone is heard in another's place.
HERTZ = (200, 300, 500, 700, 900)


def tones(samples: int) -> np.ndarray:
    """`(samples, tags)`."""
    return np.sin(2 * np.pi * np.outer(np.arange(samples) / RATE, HERTZ)).astype(np.float32)


def weights() -> tuple[np.ndarray, np.ndarray]:
    return tones(SAMPLES), 0.01 * np.eye(len(TAGS), dtype=np.float32)


def write_bundle(folder: Path, *, name: str = "small", order: tuple[int, ...] = (0, 1, 2, 3, 4)) -> Path:
    """`order`: which tag's tone is taken for each tag's; another than the plain one mistakes tags for each other."""
    to_embedding, to_logits = weights()
    to_embedding = to_embedding[:, order]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["waveform", "a"], ["embedding"]),
            helper.make_node("MatMul", ["embedding", "b"], ["tag_logits"]),
        ],
        "small",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", SAMPLES])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", len(TAGS)]),
            helper.make_tensor_value_info("tag_logits", TensorProto.FLOAT, ["batch", len(TAGS)]),
        ],
        [numpy_helper.from_array(to_embedding, "a"), numpy_helper.from_array(to_logits, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True)
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    np.save(folder / "proxies.npy", np.eye(len(TAGS), dtype=np.float32))
    manifest = {
        "format": 1,
        "name": name,
        "sample_rate": RATE,
        "excerpt_samples": SAMPLES,
        "dimensions": [{"name": name, "start": start, "stop": stop} for name, (start, stop) in SLICES.items()],
        "tags": [{"name": name, "dimension": dimension, "bias": 0.0} for name, dimension in TAGS],
        "recipe": {"loss": "none"},
        "provenance": [],
        "files": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("encoder.onnx", "proxies.npy")
        },
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def write_noise(path: Path, *, seconds: float, seed: int) -> np.ndarray:
    """Noise at the bundle's rate, bit for bit what a decoder gives back."""
    rng = np.random.default_rng(seed)
    return _write(path, 0.5 * rng.uniform(-1, 1, round(seconds * RATE)))


def write_music(path: Path, *, tags: tuple[str, ...], seconds: float, seed: int) -> np.ndarray:
    """The tones of its tags, and a little noise, so that no two are the same."""
    rng = np.random.default_rng(seed)
    has = np.array([name in tags for name, _ in TAGS], dtype=np.float32)
    samples = round(seconds * RATE)
    return _write(path, 0.3 * tones(samples) @ has + 0.01 * rng.uniform(-1, 1, samples))


def write_catalogue(folder: Path, *, split: bool, copies: int = 6) -> Path:
    """Every combination of a timbre and a groove, by two artists; half of the copies to train on, if split."""
    rows = list(itertools.product(range(copies), ("warm", "dry", "hollow"), ("swung", "straight")))
    names = [f"{timbre}-{groove}-{copy}" for copy, timbre, groove in rows]
    for seed, (name, (_, *tags)) in enumerate(zip(names, rows, strict=True)):
        write_music(folder / f"{name}.wav", tags=tuple(tags), seconds=1.6, seed=seed)
    manifest = Manifest.of(
        folder,
        path=[f"{name}.wav" for name in names],
        track_id=names,
        artist=[f"tune {copy % 2}" for copy, *_ in rows],
        tags=[tuple(tags) for _, *tags in rows],
        split=[Split.TRAIN if copy < copies // 2 else Split.TEST for copy, *_ in rows] if split else None,
    )
    write_manifest(manifest, folder / "manifest.csv")
    return folder / "manifest.csv"


def _write(path: Path, waveform: np.ndarray) -> np.ndarray:
    steps = np.round(waveform * 2**15).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, steps, RATE, subtype="PCM_16")
    return (steps / 2**15).astype(np.float32)
