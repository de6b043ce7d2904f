"""The bundle's reader, on the bundle that ships and on a small one whose encoder can be computed by hand."""

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from index.bundle_manifest import (
    BundleCorruptedError,
    BundleFormatError,
    BundleManifest,
    BundleManifestError,
    BundleMismatchError,
    BundleMissingError,
    CalibrationEntry,
)
from index.model import DeviceUnavailableError, ModelBundle, Tag, WaveformError
from index.subspaces import UnknownDimensionError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "musicnn-msd"
GOLDEN = ROOT / "tests" / "golden" / "musicnn-msd.npz"

# A bundle of another making: six samples at 2 Hz, three dimensions of uneven width, four tags.
SAMPLES, WIDTH = 6, 7
SLICES = {"timbre": (0, 2), "groove": (2, 6), "room": (6, 7)}
TAGS = [("warm", "timbre", 0.5), ("dry", "room", 0.0), ("swung", "groove", -1.0), ("bright", "timbre", 2.0)]

Edit = Callable[[dict[str, Any]], object]


def _weights() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.standard_normal((SAMPLES, WIDTH)).astype(np.float32), rng.standard_normal((WIDTH, len(TAGS))).astype("f")


def _encoder(*, waveform: str = "waveform", batch: str | int = "batch", samples: int = SAMPLES) -> bytes:
    to_embedding, to_logits = _weights()
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [waveform, "a"], ["embedding"]),
            helper.make_node("MatMul", ["embedding", "b"], ["tag_logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info(waveform, TensorProto.FLOAT, [batch, samples])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, WIDTH]),
            helper.make_tensor_value_info("tag_logits", TensorProto.FLOAT, [batch, len(TAGS)]),
        ],
        [
            numpy_helper.from_array(np.resize(to_embedding, (samples, WIDTH)), "a"),
            numpy_helper.from_array(to_logits, "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _proxies() -> np.ndarray:
    proxies = np.zeros((len(TAGS), WIDTH), dtype=np.float32)
    for row, (_, dimension, _) in enumerate(TAGS):
        proxies[row, slice(*SLICES[dimension])] = row + 1
    return proxies


def _write(folder: Path, *, encoder: bytes | None = None, proxies: np.ndarray | None = None) -> Path:
    folder.mkdir()
    (folder / "encoder.onnx").write_bytes(_encoder() if encoder is None else encoder)
    np.save(folder / "proxies.npy", _proxies() if proxies is None else proxies)
    manifest = {
        "format": 1,
        "name": "tiny",
        "sample_rate": 2,
        "excerpt_samples": SAMPLES,
        "dimensions": [{"name": name, "start": start, "stop": stop} for name, (start, stop) in SLICES.items()],
        "tags": [{"name": name, "dimension": dimension, "bias": bias} for name, dimension, bias in TAGS],
        "recipe": {"loss": "none"},
        "provenance": [],
        "files": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("encoder.onnx", "proxies.npy")
        },
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def _edit(folder: Path, edit: Edit) -> Path:
    manifest = json.loads((folder / "bundle.json").read_text())
    edit(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return _write(tmp_path / "tiny")


@pytest.fixture(scope="module")
def shipped() -> ModelBundle:
    return ModelBundle.open(SHIPPED)


@pytest.fixture(scope="module")
def excerpts() -> np.ndarray:
    return np.asarray(np.load(GOLDEN)["waveform"]).reshape(3, 48_000)


def test_the_shipped_bundle_gives_the_tags_of_the_original_package(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    # The first excerpt alone is the golden's first patch: the others were cut from frames 187 and 374 on.
    golden = np.load(GOLDEN)["msd_tags"][0]
    assert shipped.embed(excerpts[:1]).tag_probabilities[0] == pytest.approx(golden, abs=1e-5)


def test_the_shipped_bundle_tells_what_it_is(shipped: ModelBundle) -> None:
    assert shipped.name == "musicnn-msd"
    assert shipped.excerpt_seconds == 3.0
    assert shipped.encoder_id == hashlib.sha256((SHIPPED / "encoder.onnx").read_bytes()).hexdigest()[:16]
    assert shipped.subspaces.names == ("genre", "mood", "instrument", "era")
    assert len(shipped.tags) == len(shipped.proxies) == 50
    assert shipped.card is not None
    assert shipped.card.startswith("# musicnn-msd")


def test_every_slice_of_a_vector_has_length_one(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    vectors = shipped.embed(excerpts).vectors
    for subspace in shipped.subspaces:
        assert np.linalg.norm(vectors[:, subspace.slice], axis=1) == pytest.approx(1.0, abs=1e-6)


def test_an_excerpt_is_embedded_alike_whatever_its_batch(excerpts: np.ndarray) -> None:
    many = np.concatenate([excerpts * level for level in (1.0, 0.5, 0.1, 0.01, 0.9, 0.2)])[:17]
    expected = ModelBundle.open(SHIPPED, batch_size=1).embed(many)
    for batch_size in (4, 16):
        found = ModelBundle.open(SHIPPED, batch_size=batch_size).embed(many)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        np.testing.assert_allclose(found.tag_probabilities, expected.tag_probabilities, atol=1e-5)


def test_threads_may_share_a_bundle(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    alone = [shipped.embed(excerpt[None]).vectors for excerpt in excerpts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda number: shipped.embed(excerpts[number % 3][None]).vectors, range(12)))
    for number, vector in enumerate(together):
        np.testing.assert_array_equal(vector, alone[number % 3])


def test_no_excerpts_give_no_vectors(shipped: ModelBundle) -> None:
    embeddings = shipped.embed(np.empty((0, 48_000), dtype=np.float32))
    assert embeddings.vectors.shape == (0, 256)
    assert embeddings.tag_probabilities.shape == (0, 50)


def test_silence_has_a_vector_and_tags(shipped: ModelBundle) -> None:
    embeddings = shipped.embed(np.zeros((1, 48_000), dtype=np.float32))
    assert np.isfinite(embeddings.vectors).all()
    assert ((embeddings.tag_probabilities > 0) & (embeddings.tag_probabilities < 1)).all()


def test_a_bundle_of_other_dimensions_is_read_by_the_definition(tiny: Path) -> None:
    bundle = ModelBundle.open(tiny, batch_size=2)
    waveforms = np.random.default_rng(1).standard_normal((5, SAMPLES))
    to_embedding, to_logits = _weights()
    embeddings = bundle.embed(waveforms)
    for excerpt, vector, probabilities in zip(waveforms, embeddings.vectors, embeddings.tag_probabilities, strict=True):
        embedding = excerpt @ to_embedding
        for start, stop in SLICES.values():
            part = embedding[start:stop]
            assert vector[start:stop] == pytest.approx(part / np.linalg.norm(part), abs=1e-5)
        assert probabilities == pytest.approx(1 / (1 + np.exp(-(embedding @ to_logits))), abs=1e-5)
    assert bundle.tags == tuple(Tag(*tag) for tag in TAGS)
    assert bundle.excerpt_seconds == 3.0
    np.testing.assert_array_equal(bundle.proxies, _proxies())


CALIBRATION = {
    "on": "pieces of other tunes",
    "tracks": 480,
    "positives": 96,
    "expected_calibration_error": 0.021,
    "roc_auc": 0.97,
}


def test_a_tag_tells_on_what_it_was_calibrated_or_that_it_was_not(tiny: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["tags"][1] = {"name": "dry", "dimension": "room", "calibration": CALIBRATION}
        manifest["tags"][2]["calibration"] = None

    bundle = ModelBundle.open(_edit(tiny, edit))
    assert bundle.tags[1] == Tag("dry", "room", calibration=CalibrationEntry(**CALIBRATION))  # type: ignore[arg-type]
    assert [tag.bias for tag in bundle.tags] == [0.5, None, -1.0, 2.0]
    assert [tag.calibration is None for tag in bundle.tags] == [True, False, True, True]


def test_a_manifest_is_written_as_it_was_read(tiny: Path) -> None:
    _edit(tiny, lambda manifest: manifest["tags"][1].update(calibration=CALIBRATION))
    for path in (SHIPPED / "bundle.json", tiny / "bundle.json"):
        assert json.loads(BundleManifest.read(path).to_json()) == json.loads(path.read_text())
    assert BundleManifest.read(SHIPPED / "bundle.json").to_json() == (SHIPPED / "bundle.json").read_text()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"positives": 480}, "positives is 480 of 480 tracks"),
        ({"positives": 0}, r"calibration\.positives: input should be greater"),
        ({"expected_calibration_error": 1.5}, r"tags\.1\.calibration\.expected_calibration_error"),
        ({"roc_auc": float("nan")}, r"calibration\.roc_auc"),
        ({"on": " "}, r"calibration\.on"),
        ({"ece": 0.1}, r"calibration\.ece: extra"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(tiny: Path, wrong: dict[str, Any], complaint: str) -> None:
    _edit(tiny, lambda manifest: manifest["tags"][1].update(calibration=CALIBRATION | wrong))
    with pytest.raises(BundleManifestError, match=complaint):
        ModelBundle.open(tiny)


def test_the_encoder_s_own_numbers_are_to_be_had(tiny: Path) -> None:
    bundle = ModelBundle.open(tiny, batch_size=2)
    waveforms = np.random.default_rng(3).standard_normal((5, SAMPLES))
    to_embedding, to_logits = _weights()
    embedding, logits = bundle.encode(waveforms)
    np.testing.assert_allclose(embedding, waveforms @ to_embedding, atol=1e-5)
    np.testing.assert_allclose(logits, waveforms @ to_embedding @ to_logits, atol=1e-4)
    np.testing.assert_array_equal(bundle.embed(waveforms).vectors, bundle.subspaces.unit(embedding))


def test_a_slice_without_direction_is_zero(tiny: Path) -> None:
    assert not ModelBundle.open(tiny).embed(np.zeros((1, SAMPLES))).vectors.any()


def test_probabilities_of_huge_logits_are_zero_and_one(tiny: Path) -> None:
    excerpt = np.random.default_rng(2).standard_normal((1, SAMPLES)) * 1e6
    assert set(ModelBundle.open(tiny).embed(excerpt).tag_probabilities.ravel()) <= {0.0, 1.0}


def test_a_bundle_without_a_card_has_none(tiny: Path) -> None:
    assert ModelBundle.open(tiny).card is None
    (tiny / "CARD.md").write_text("# Tiny, für alle\n", encoding="utf-8")
    assert ModelBundle.open(tiny).card == "# Tiny, für alle\n"


def test_proxies_cannot_be_written_to(tiny: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        ModelBundle.open(tiny).proxies[0] = 1.0


@pytest.mark.parametrize("shape", [(SAMPLES,), (1, SAMPLES - 1), (1, SAMPLES + 1), (1, 1, SAMPLES)])
def test_waveforms_of_another_shape_are_refused(tiny: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(WaveformError, match=r"expected \(n, 6\): 3 s of mono audio at 2 Hz"):
        ModelBundle.open(tiny).embed(np.zeros(shape, dtype=np.float32))


def test_integer_samples_are_refused(tiny: Path) -> None:
    with pytest.raises(WaveformError, match="int16"):
        ModelBundle.open(tiny).embed(np.zeros((1, SAMPLES), dtype=np.int16))


@pytest.mark.parametrize("sample", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_refused(tiny: Path, sample: float) -> None:
    waveforms = np.zeros((9, SAMPLES), dtype=np.float32)
    waveforms[5, 3] = sample
    with pytest.raises(WaveformError, match="excerpts 4 to 7"):
        ModelBundle.open(tiny).embed(waveforms)


def test_samples_that_overflow_the_encoder_are_refused(shipped: ModelBundle) -> None:
    waveforms = np.zeros((2, 48_000), dtype=np.float32)
    waveforms[1] = 1e30
    with pytest.raises(WaveformError, match=r"excerpt 1 has a peak of 1e\+30"):
        shipped.embed(waveforms)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.999999])
def test_a_flipped_bit_in_the_encoder_is_noticed(tmp_path: Path, place: float) -> None:
    shutil.copytree(SHIPPED, tmp_path / "bundle")
    path = tmp_path / "bundle" / "encoder.onnx"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleCorruptedError, match=r"encoder\.onnx: sha256 is"):
        ModelBundle.open(tmp_path / "bundle")


def test_a_flipped_bit_in_the_proxies_is_noticed(tiny: Path) -> None:
    content = bytearray((tiny / "proxies.npy").read_bytes())
    content[-1] ^= 1
    (tiny / "proxies.npy").write_bytes(content)
    with pytest.raises(BundleCorruptedError, match=r"proxies\.npy: sha256 is"):
        ModelBundle.open(tiny)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="is not a folder"):
        ModelBundle.open(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["bundle.json", "encoder.onnx", "proxies.npy"])
def test_a_file_that_is_not_there_is_told(tiny: Path, name: str) -> None:
    (tiny / name).unlink()
    with pytest.raises(BundleMissingError, match=name):
        ModelBundle.open(tiny)


@pytest.mark.parametrize("version", [0, 2, 17])
def test_another_format_version_is_told_with_the_one_that_is_read(tiny: Path, version: int) -> None:
    _edit(tiny, lambda manifest: manifest.update(format=version, something_new=True))
    with pytest.raises(BundleFormatError, match=f"format version {version}; this release reads version 1"):
        ModelBundle.open(tiny)


@pytest.mark.parametrize("text", ["", "{", "\x00", "[1, 2]", "7"])
def test_a_manifest_that_is_not_a_json_object_is_told(tiny: Path, text: str) -> None:
    (tiny / "bundle.json").write_text(text)
    with pytest.raises(BundleManifestError, match=r"bundle\.json"):
        ModelBundle.open(tiny)


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda m: m.pop("format"), "does not give its format version"),
        (lambda m: m.update(format="1"), "format: input should be a valid integer"),
        (lambda m: m.pop("sample_rate"), "sample_rate: field required"),
        (lambda m: m.update(sample_rate=0), "sample_rate: input should be greater than 0"),
        (lambda m: m.update(sample_rat=2), "sample_rat: extra inputs are not permitted"),
        (lambda m: m["tags"][2].pop("dimension"), r"tags\.2\.dimension: field required"),
        (lambda m: m["tags"][1].update(bias=float("nan")), r"tags\.1\.bias: input should be a finite number"),
        (lambda m: m["tags"][1].update(name="warm"), "tag 'warm' comes twice"),
        (lambda m: m["tags"][0].update(dimension="taste"), "'taste'; the bundle has timbre, groove, room"),
        (lambda m: m["dimensions"][1].update(start=3), "'groove' is columns 3:6, it must start at 2"),
        (lambda m: m["dimensions"].clear(), "at least one sub-space"),
        (lambda m: m["files"].pop("proxies.npy"), r"files lacks the sha256 of proxies\.npy"),
        (lambda m: m["files"].update({"../secret": "0" * 64}), r"files\.\.\./secret"),
        (lambda m: m["files"].update({"encoder.onnx": "abc"}), r"files\.encoder\.onnx"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_told_in_words(tiny: Path, edit: Edit, complaint: str) -> None:
    with pytest.raises(BundleManifestError, match=complaint):
        ModelBundle.open(_edit(tiny, edit))


def test_proxies_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleMismatchError, match=r"float32 \(3, 7\).*float32 \(4, 7\)"):
        ModelBundle.open(_write(tmp_path / "short", proxies=_proxies()[:3]))
    with pytest.raises(BundleMismatchError, match="float64"):
        ModelBundle.open(_write(tmp_path / "double", proxies=_proxies().astype(np.float64)))


def test_a_proxy_outside_its_slice_is_refused(tmp_path: Path) -> None:
    proxies = _proxies()
    proxies[2, 0] = 1e-9
    with pytest.raises(BundleMismatchError, match="'swung' is not zero outside its dimension 'groove'"):
        ModelBundle.open(_write(tmp_path / "leaky", proxies=proxies))


def test_proxies_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    proxies = _proxies()
    proxies[0, 0] = np.nan
    with pytest.raises(BundleMismatchError, match="not finite"):
        ModelBundle.open(_write(tmp_path / "nan", proxies=proxies))


def test_proxies_that_hold_python_objects_are_not_unpickled(tmp_path: Path) -> None:
    with pytest.raises(BundleMismatchError, match="not an array"):
        ModelBundle.open(_write(tmp_path / "pickle", proxies=np.array([{}, None], dtype=object)))


@pytest.mark.parametrize(
    ("encoder", "complaint"),
    [
        (b"not a graph", "ONNX Runtime cannot load it"),
        (_encoder(waveform="audio"), "has audio, embedding, tag_logits; an encoder has waveform"),
        (_encoder(samples=SAMPLES + 1), r"waveform is tensor\(float\) \['batch', 7\].*\['batch', 6\]"),
        (_encoder(batch=1), r"waveform is tensor\(float\) \[1, 6\]"),
    ],
)
def test_an_encoder_that_is_not_the_manifests_is_refused_without_a_print(
    tmp_path: Path, encoder: bytes, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BundleMismatchError, match=complaint):
        ModelBundle.open(_write(tmp_path / "bundle", encoder=encoder))
    assert capfd.readouterr() == ("", "")


def test_a_wider_embedding_than_the_encoders_is_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path / "wide", proxies=np.pad(_proxies(), ((0, 0), (0, 1))))
    _edit(folder, lambda manifest: manifest["dimensions"][2].update(stop=8))
    with pytest.raises(BundleMismatchError, match=r"embedding is tensor\(float\) \['batch', 7\]"):
        ModelBundle.open(folder)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this build has CUDA")
def test_cuda_that_is_not_there_is_told(tiny: Path) -> None:
    with pytest.raises(DeviceUnavailableError, match="Install onnxruntime-gpu"):
        ModelBundle.open(tiny, device="cuda")


@pytest.mark.parametrize("settings", [{"threads": 0}, {"batch_size": 0}, {"batch_size": 17}])
def test_settings_out_of_range_are_refused(tiny: Path, settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        ModelBundle.open(tiny, **settings)  # type: ignore[arg-type]


def test_a_dimension_the_bundle_lacks_is_refused(tiny: Path) -> None:
    with pytest.raises(UnknownDimensionError, match="timbre, groove, room"):
        ModelBundle.open(tiny).subspaces["genre"]
