"""The bundle that ships, as those see it who search: its size, its words, and that threads change nothing."""

from pathlib import Path

import numpy as np
import pytest

from index.model import ModelBundle
from service.settings import Settings

MODELS = Path(__file__).parents[2] / "models"
DEFAULT = MODELS / "default"
GOLDEN = Path(__file__).parents[1] / "golden" / "musicnn-msd.npz"


@pytest.fixture(scope="module")
def excerpts() -> np.ndarray:
    return np.asarray(np.load(GOLDEN)["waveform"]).reshape(3, 48_000)


@pytest.fixture(scope="module")
def shipped() -> ModelBundle:
    return ModelBundle.open(DEFAULT)


def test_it_is_what_the_service_takes_if_nobody_says_otherwise() -> None:
    assert Settings.model_fields["model"].default == DEFAULT


def test_of_the_bundles_that_ship_only_this_one_calls_itself_the_one() -> None:
    cards = {path.parent.name: path.read_text(encoding="utf-8") for path in MODELS.glob("*/CARD.md")}
    assert len(cards) > 1
    assert [name for name, card in cards.items() if "\nThe bundle that ships with Facet." in card] == ["default"]


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) < 12e6


def test_its_card_and_its_parts_have_a_licence(shipped: ModelBundle) -> None:
    assert shipped.card is not None
    assert shipped.card.startswith("# default\n")
    assert "## Measured" in shipped.card
    assert all(part.licence for part in shipped.manifest.provenance)
    assert len(shipped.manifest.provenance) >= 4


def test_the_first_taggers_words_are_told_as_by_its_own_bundle(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    tagger = ModelBundle.open(MODELS / "musicnn-msd")
    expected, found = (bundle.encode(excerpts)[1] for bundle in (tagger, shipped))
    names = [tag.name for tag in shipped.tags]
    exact = 0
    for column, tag in enumerate(tagger.tags):
        # Those that have a calibration are words of rendered music, too, which has a say in them.
        if shipped.tags[names.index(tag.name)].calibration is None:
            np.testing.assert_allclose(found[:, names.index(tag.name)], expected[:, column], atol=2e-3)
            exact += 1
    assert exact == 31


def test_threads_change_nothing(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    with_two = ModelBundle.open(DEFAULT, threads=2)
    for one, two in zip(shipped.encode(excerpts), with_two.encode(excerpts), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-3)


def test_an_excerpt_is_heard_the_same_alone_and_in_company(shipped: ModelBundle, excerpts: np.ndarray) -> None:
    together = shipped.embed(excerpts)
    alone = np.concatenate([shipped.embed(excerpts[[row]]).vectors for row in range(len(excerpts))])
    np.testing.assert_allclose(together.vectors, alone, atol=1e-4)


def test_silence_is_no_error(shipped: ModelBundle) -> None:
    silent = shipped.embed(np.zeros((1, shipped.excerpt_samples), dtype=np.float32))
    assert np.isfinite(silent.vectors).all()
    assert np.isfinite(silent.tag_probabilities).all()
