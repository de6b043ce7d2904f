"""A small real bundle: energies in bands of the spectrum, in six dimensions of uneven width and odd names.

Nothing may assume four dimensions of 64, plain names, or that every dimension has tags.
"""

import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from index.bundle_manifest import BundleManifest, CalibrationEntry, DimensionEntry, TagEntry

SAMPLE_RATE = 8000
EXCERPT_SAMPLES = 8000
FRAME = 160
BANDS = 24
SLICES = {
    "klang farbe": (0, 5),
    "groove:tight": (5, 9),
    "é/..": (9, 12),
    "mood, inner": (12, 18),
    "x": (18, 19),
    "era": (19, 24),
}
WIDTH = 24
TAGS = (
    ("Warm", "klang farbe"),
    ("dry", "klang farbe"),
    ("rock", "groove:tight"),
    ("Rock 'n' Roll", "groove:tight"),
    ("electronic", "era"),
    ("80s", "era"),
    ("still", "mood, inner"),
)

CALIBRATED = {
    "rock": CalibrationEntry(
        on="made-up tunes", tracks=40, positives=10, expected_calibration_error=0.05, roc_auc=0.875
    ),
}


def write_tiny_bundle(folder: Path, *, seed: int = 1) -> Path:
    """Write it; another seed is another embedding space."""
    rng = np.random.default_rng(seed)
    time = np.arange(FRAME) / SAMPLE_RATE
    # Band b is a frequency from 100 to 3,550 Hz.
    angles = 2 * np.pi * time[:, None] * (100 + 150 * np.arange(BANDS))[None, :]
    mixing = rng.standard_normal((BANDS, WIDTH)).astype(np.float32)
    proxies = np.zeros((len(TAGS), WIDTH), np.float32)
    for row, (_, dimension) in enumerate(TAGS):
        start, stop = SLICES[dimension]
        proxies[row, start:stop] = rng.standard_normal(stop - start)
    weights: dict[str, np.ndarray] = {
        "shape": np.array([0, EXCERPT_SAMPLES // FRAME, FRAME], np.int64),
        "cosine": np.cos(angles).astype(np.float32),
        "sine": np.sin(angles).astype(np.float32),
        "floor": np.array(1e-3, np.float32),
        "mixing": mixing,
        "proxies": np.ascontiguousarray(proxies.T),
    }
    nodes = [
        helper.make_node("Reshape", ["waveform", "shape"], ["frames"]),
        helper.make_node("MatMul", ["frames", "cosine"], ["real"]),
        helper.make_node("MatMul", ["frames", "sine"], ["imaginary"]),
        helper.make_node("Mul", ["real", "real"], ["real2"]),
        helper.make_node("Mul", ["imaginary", "imaginary"], ["imaginary2"]),
        helper.make_node("Add", ["real2", "imaginary2"], ["power"]),
        helper.make_node("ReduceMean", ["power"], ["energy"], axes=[1], keepdims=0),
        helper.make_node("Add", ["energy", "floor"], ["floored"]),
        helper.make_node("Log", ["floored"], ["bands"]),
        helper.make_node("MatMul", ["bands", "mixing"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "proxies"], ["tag_logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", EXCERPT_SAMPLES])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH]),
            helper.make_tensor_value_info("tag_logits", TensorProto.FLOAT, ["batch", len(TAGS)]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    folder.mkdir(parents=True)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(folder / "encoder.onnx"),
    )
    np.save(folder / "proxies.npy", proxies)
    manifest = BundleManifest(
        name="tiny",
        sample_rate=SAMPLE_RATE,
        excerpt_samples=EXCERPT_SAMPLES,
        dimensions=tuple(DimensionEntry(name=name, start=start, stop=stop) for name, (start, stop) in SLICES.items()),
        tags=tuple(
            TagEntry(name=name, dimension=dimension, bias=0.0, calibration=CALIBRATED.get(name))
            for name, dimension in TAGS
        ),
        recipe={"made": "for tests"},
        provenance=(),
        files={
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("encoder.onnx", "proxies.npy")
        },
    )
    (folder / "bundle.json").write_text(manifest.to_json())
    return folder
