"""Export of the shipped bundle from the repository alone, and of a small encoder with dimensions of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from index.bundle_manifest import BundleManifestError, CalibrationEntry, ProvenanceEntry
from index.model import ModelBundle, Tag
from index.subspaces import Subspace, Subspaces
from training.backbones.musicnn import load_musicnn
from training.commands import export
from training.encoder_graph import ParityError, check_parity, encoder_graph, parity_waveforms
from training.evaluation.card import BEGIN
from training.export import MUSICNN_MEAN, PRETRAINED, BundleParts, ExportError, export_musicnn_msd, write_bundle
from training.log_mel import MUSICNN_LOG_MEL, LogMel

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "musicnn-msd"
GOLDEN = ROOT / "tests" / "golden" / "musicnn-msd.npz"

N_SAMPLES = 8
DIMENSIONS = ("tempo", "key", "place", "use", "voice", "texture")


class TinyEncoder(nn.Module):
    """Six dimensions of three columns; seven tags read off the columns."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.projection = nn.Parameter(torch.randn(N_SAMPLES, 18, generator=generator))
        self.tags = nn.Parameter(torch.randn(18, 7, generator=generator))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        embedding = torch.relu(waveform @ self.projection)
        return embedding, embedding @ self.tags


def _parts(**changes: Any) -> BundleParts:
    tags = tuple(Tag(f"tag {number}", DIMENSIONS[number % 6], 0.5 * number) for number in range(7))
    proxies = np.zeros((7, 18), dtype=np.float32)
    for number in range(7):
        proxies[number, 3 * (number % 6)] = 1.0
    parts: dict[str, Any] = {
        "name": "tiny",
        "sample_rate": 4,
        "excerpt_samples": N_SAMPLES,
        "subspaces": Subspaces(tuple(Subspace(name, 3 * n, 3 * n + 3) for n, name in enumerate(DIMENSIONS))),
        "tags": tags,
        "proxies": proxies,
        "recipe": {"loss": "none"},
        "provenance": (ProvenanceEntry(what="numbers", source="a generator", licence="CC0-1.0"),),
        "card": "# tiny\n",
    }
    return BundleParts(**(parts | changes))


def _contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "musicnn-msd"
    result = CliRunner().invoke(export, ["musicnn-msd", str(folder)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"musicnn-msd stands in {folder}\nembedding: at most ")
    return folder


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    return np.asarray(np.load(GOLDEN)["waveform"]).reshape(3, 48_000)


def test_the_same_export_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    differences = export_musicnn_msd(tmp_path / "again")
    assert max(differences.values()) < 1e-4
    assert _contents(tmp_path / "again") == _contents(exported)


def test_the_shipped_bundle_is_what_the_repository_exports(exported: Path, waveform: np.ndarray) -> None:
    # Not by bytes: another processor's arithmetic may round a weight of the basis differently.
    shipped, fresh = ModelBundle.open(SHIPPED), ModelBundle.open(exported)
    assert shipped.manifest.model_dump(exclude={"files", "tags"}) == fresh.manifest.model_dump(
        exclude={"files", "tags"}
    )
    assert [(tag.name, tag.dimension) for tag in shipped.tags] == [(tag.name, tag.dimension) for tag in fresh.tags]
    np.testing.assert_allclose([tag.bias for tag in shipped.tags], [tag.bias for tag in fresh.tags], atol=1e-6)
    np.testing.assert_allclose(shipped.proxies, fresh.proxies, atol=1e-6)
    np.testing.assert_allclose(shipped.embed(waveform).vectors, fresh.embed(waveform).vectors, atol=1e-5)
    assert fresh.card == (PRETRAINED / "musicnn-msd-card.md").read_text(encoding="utf-8")
    # The shipped one has been measured since, which adds to its card.
    assert shipped.card is not None
    assert shipped.card.partition(BEGIN)[0].strip() == fresh.card.strip()


def test_proxies_times_embedding_plus_bias_are_the_taggers_logits(waveform: np.ndarray) -> None:
    bundle = ModelBundle.open(SHIPPED)
    session = onnxruntime.InferenceSession(SHIPPED / "encoder.onnx", providers=["CPUExecutionProvider"])
    embedding, logits = session.run(["embedding", "tag_logits"], {"waveform": waveform})
    network = load_musicnn(PRETRAINED / "musicnn-msd.safetensors").network
    with torch.no_grad():
        expected = network.tags(network(LogMel(MUSICNN_LOG_MEL)(torch.from_numpy(waveform)))).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(
        embedding @ bundle.proxies.T + np.array([tag.bias for tag in bundle.tags]), expected, atol=1e-4
    )


def test_music_of_mean_features_is_the_origin_of_every_slice() -> None:
    # Whatever is heard, the mean taken off is the same: biases are what the tagger says of the mean itself.
    bundle = ModelBundle.open(SHIPPED)
    network = load_musicnn(PRETRAINED / "musicnn-msd.safetensors").network
    mean = torch.from_numpy(load_file(MUSICNN_MEAN)["mean"])
    with torch.no_grad():
        expected = network.tags(mean).numpy()
    np.testing.assert_allclose([tag.bias for tag in bundle.tags], expected, atol=1e-5)


def test_a_graph_tells_nothing_of_where_it_was_made(exported: Path) -> None:
    graph = (exported / "encoder.onnx").read_bytes()
    for trace in (str(ROOT), str(Path(torch.__file__).parents[1]), ".py", torch.__version__, "stack_trace"):
        assert trace.encode() not in graph


def test_a_mean_of_other_weights_is_refused_by_the_command(tmp_path: Path) -> None:
    mean = tmp_path / "mean.safetensors"
    metadata = {"music": "some", "licence": "MIT", "weights_sha256": "0" * 64}
    save_file(load_file(MUSICNN_MEAN), mean, metadata=metadata)
    result = CliRunner().invoke(export, ["musicnn-msd", str(tmp_path / "bundle"), "--mean", str(mean)])
    assert result.exit_code == 1
    assert "was computed with weights 000000000000" in result.output
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_model_is_refused_with_the_known_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(export, ["musicnn-mtt", str(tmp_path / "bundle")])
    assert result.exit_code == 2
    assert "musicnn-msd" in result.output


def test_a_bundle_may_have_any_dimensions(tmp_path: Path) -> None:
    encoder = TinyEncoder()
    write_bundle(tmp_path / "tiny", encoder=encoder, reference=encoder, parts=_parts())
    bundle = ModelBundle.open(tmp_path / "tiny")
    assert bundle.subspaces.names == DIMENSIONS
    assert len(bundle.tags) == 7
    waveforms = np.random.default_rng(0).standard_normal((5, N_SAMPLES)).astype(np.float32)
    with torch.no_grad():
        embedding, logits = encoder(torch.from_numpy(waveforms))
    found = bundle.embed(waveforms)
    np.testing.assert_allclose(found.vectors, bundle.subspaces.unit(embedding.numpy()), atol=1e-5)
    np.testing.assert_allclose(found.tag_probabilities, torch.sigmoid(logits).numpy(), atol=1e-5)
    assert bundle.manifest.recipe == {"loss": "none"}
    assert bundle.manifest.provenance[0].licence == "CC0-1.0"


def test_what_a_tag_was_calibrated_on_is_exported_with_it(tmp_path: Path) -> None:
    entry = CalibrationEntry(on="other tunes", tracks=480, positives=96, expected_calibration_error=0.02, roc_auc=0.97)
    tags = (Tag("tag 0", DIMENSIONS[0], calibration=entry), *_parts().tags[1:])
    encoder = TinyEncoder()
    write_bundle(tmp_path / "tiny", encoder=encoder, reference=encoder, parts=_parts(tags=tags))
    assert ModelBundle.open(tmp_path / "tiny").tags == tags
    written = json.loads((tmp_path / "tiny" / "bundle.json").read_text())["tags"]
    assert set(written[0]) == {"name", "dimension", "calibration"}
    assert set(written[1]) == {"name", "dimension", "bias"}


def test_a_graph_that_differs_from_its_reference_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"embedding of excerpt \d differs by"):
        write_bundle(tmp_path / "tiny", encoder=TinyEncoder(seed=0), reference=TinyEncoder(seed=1), parts=_parts())
    assert list(tmp_path.iterdir()) == []


def test_a_difference_that_is_not_a_number_is_no_parity() -> None:
    encoder = TinyEncoder()
    graph = encoder_graph(encoder, excerpt_samples=N_SAMPLES)
    with torch.no_grad():
        encoder.tags[0, 0] = torch.nan
    waveforms = np.random.default_rng(0).standard_normal((3, N_SAMPLES)).astype(np.float32)
    with pytest.raises(ParityError, match="tag_logits of excerpt 0 differs by nan"):
        check_parity(graph, encoder, waveforms)


def test_parity_is_tried_from_silence_to_full_scale() -> None:
    waveforms = parity_waveforms(sample_rate=16_000, excerpt_samples=48_000, rng=np.random.default_rng(0))
    peaks = np.abs(waveforms).max(axis=1)
    assert waveforms.shape == (8, 48_000)
    assert np.isfinite(waveforms).all()
    assert (peaks.min(), peaks.max()) == (0.0, 1.0)


def test_a_replaced_bundle_takes_its_evaluation_with_it(tmp_path: Path) -> None:
    folder, encoder = tmp_path / "tiny", TinyEncoder()
    write_bundle(folder, encoder=encoder, reference=encoder, parts=_parts())
    before = ModelBundle.open(folder).encoder_id
    (folder / "evaluation.json").write_text("{}")
    other = TinyEncoder(seed=1)
    write_bundle(folder, encoder=other, reference=other, parts=_parts())
    assert ModelBundle.open(folder).encoder_id != before
    assert sorted(_contents(folder)) == ["CARD.md", "bundle.json", "encoder.onnx", "proxies.npy"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.ogg").write_bytes(b"OggS")
    encoder = TinyEncoder()
    with pytest.raises(ExportError, match="exists and is not a bundle"):
        write_bundle(tmp_path / "music", encoder=encoder, reference=encoder, parts=_parts())
    assert _contents(tmp_path / "music") == {"song.ogg": b"OggS"}


def test_parts_that_do_not_fit_leave_the_old_bundle_in_place(tmp_path: Path) -> None:
    folder, encoder = tmp_path / "tiny", TinyEncoder()
    write_bundle(folder, encoder=encoder, reference=encoder, parts=_parts())
    before = _contents(folder)
    tags = tuple(Tag("same", "tempo", 0.0) for _ in range(7))
    with pytest.raises(BundleManifestError, match="'same' comes twice"):
        write_bundle(folder, encoder=encoder, reference=encoder, parts=_parts(tags=tags))
    assert _contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_the_notice_names_every_pretrained_source_and_what_derives_from_it() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for folder in sorted((ROOT / "models").iterdir()):
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        for weights in (entry for entry in manifest["provenance"] if "weights" in entry["what"]):
            assert weights["source"].split(",")[0] == "PyPI musicnn 0.1.0"
            assert f"Licence:  {weights['licence']}" in notice
        assert f"models/{folder.name}/encoder.onnx and proxies.npy, derived" in notice
    assert "musicnn 0.1.0" in notice
    for file in sorted(PRETRAINED.glob("*.safetensors")):
        assert f"training/backbones/pretrained/{file.name}" in notice
