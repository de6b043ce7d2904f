"""Logits and proxies of words, against formulas written out, for two taggers made up."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from index.subspaces import Subspaces
from training.embedding import subspaces_of
from training.heads.fitting import FittedHeads, RealExcerpts
from training.heads.network import FactorHeads, Standardised
from training.heads.objective import ValueLoss
from training.heads.proxies import least_squares, proxies_of
from training.heads.tag_logits import TagLogits
from training.heads.words import Words, find_words
from training.vocabulary import Vocabulary, VocabularyTag

SHAPE, COLOUR = "shape", "colour"
VALUES = Vocabulary(
    "values",
    "",
    (SHAPE, COLOUR),
    tuple(VocabularyTag(*tag) for tag in (("Round", SHAPE), ("red", COLOUR), ("blue", COLOUR))),
)
MINE = Vocabulary(
    "mine",
    "",
    (SHAPE, COLOUR),
    tuple(VocabularyTag(*tag) for tag in (("loud", SHAPE), ("round", SHAPE), ("blue", COLOUR), ("wild", COLOUR))),
)
WIDTH, SHARE, RIDGE = 9, 0.3, 1e-3
COLUMNS = {"one hidden": slice(0, 3), "two hidden": slice(4, 9)}
HEARING = cast(Any, SimpleNamespace(columns=COLUMNS.__getitem__))
RNG = np.random.default_rng(0)
MUSIC = RNG.standard_normal((60, WIDTH)).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def words() -> Words:
    torch.manual_seed(0)
    taggers = {
        "one": SimpleNamespace(tags=("loud", "quiet"), network=SimpleNamespace(tags=torch.nn.Linear(3, 2))),
        "two": SimpleNamespace(tags=("wild", "loud", "round"), network=SimpleNamespace(tags=torch.nn.Linear(5, 3))),
    }
    return find_words(MINE, cast(Any, taggers), VALUES)


@pytest.fixture(scope="module")
def fitted() -> FittedHeads:
    torch.manual_seed(1)
    subspaces: Subspaces = subspaces_of(MINE.dimensions, widths=4)
    standardised = Standardised(np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32), bound=5.0)
    return FittedHeads(
        network=FactorHeads(standardised, subspaces, hidden=6, dropout=0.5).eval(),
        subspaces=subspaces,
        values=ValueLoss(VALUES, subspaces, scale=7.0, smoothing=0.0, contrast_weight=0.0, temperature=1.0),
        losses={},
    )


def hidden(words: Words, tagger: str, tag: str) -> np.ndarray:
    """What a tagger says of `MUSIC`, written out."""
    layer = words.taggers[tagger].network.tags
    row = words.taggers[tagger].tags.index(tag)
    weight, bias = layer.weight.detach().numpy()[row], layer.bias.detach().numpy()[row]
    return MUSIC[:, COLUMNS[f"{tagger} hidden"]] @ weight + bias


def cosines(fitted: FittedHeads, dimension: str, value: int) -> np.ndarray:
    with torch.no_grad():
        slices = fitted.network(torch.from_numpy(MUSIC)).numpy()[:, fitted.subspaces[dimension].slice]
    return unit(slices) @ unit(fitted.values.centres.detach().numpy()[value])


def test_each_word_is_told_by_those_who_know_it(words: Words, fitted: FittedHeads) -> None:
    layer = TagLogits(words, HEARING, fitted, MUSIC, share=SHARE)
    with torch.no_grad():
        found = layer(torch.from_numpy(MUSIC), fitted.network(torch.from_numpy(MUSIC))).numpy()
    np.testing.assert_allclose(found[:, 0], hidden(words, "one", "loud"), atol=1e-5)
    np.testing.assert_allclose(found[:, 2], 7.0 * cosines(fitted, COLOUR, 2), atol=1e-5)
    np.testing.assert_allclose(found[:, 3], hidden(words, "two", "wild"), atol=1e-5)
    both = 0.0
    for part, told in ((1 - SHARE, hidden(words, "two", "round")), (SHARE, cosines(fitted, SHAPE, 0))):
        both = both + part * (told - told.mean()) / told.std(ddof=1)
    np.testing.assert_allclose(found[:, 1], both, atol=1e-4)


def test_a_calibration_is_a_scale_and_an_offset_and_where_there_is_none_nothing_changes(
    words: Words, fitted: FittedHeads
) -> None:
    layer = TagLogits(words, HEARING, fitted, MUSIC, share=SHARE)
    features = torch.from_numpy(MUSIC)
    with torch.no_grad():
        before = layer(features, fitted.network(features)).numpy()
        layer.calibrate(np.array([2.0, 0.5, np.nan, 1.0]), np.array([-1.0, 0.0, np.nan, 3.0]))
        after = layer(features, fitted.network(features)).numpy()
    np.testing.assert_allclose(after, before * [2, 0.5, 1, 1] + [-1, 0, 0, 3], atol=1e-4)


def least_squares_of_rows(points: np.ndarray, told: np.ndarray) -> np.ndarray:
    """The ridge as rows of its own, to an ordinary least-squares solver, with a column for the constant."""
    n, width = points.shape
    rows = np.block([[points, np.ones((n, 1))], [np.sqrt(RIDGE * n) * np.eye(width), np.zeros((width, 1))]])
    return np.linalg.lstsq(rows.astype(np.float64), np.concatenate([told, np.zeros(width)]), rcond=None)[0][:-1]


def test_least_squares_are_those_of_a_solver_that_is_given_the_ridge_as_rows() -> None:
    rng = np.random.default_rng(1)
    points = (rng.standard_normal((50, 4)) + 3.0).astype(np.float32)
    told = (points @ [1.0, -2.0, 0.5, 0.0] + rng.standard_normal(50)).astype(np.float32)
    found = least_squares(points, told, ridge=RIDGE)
    np.testing.assert_allclose(found, least_squares_of_rows(points, told), rtol=1e-4)


def test_a_proxy_lies_along_who_tells_the_word(words: Words, fitted: FittedHeads) -> None:
    told = words.taught_by(HEARING, MUSIC)
    music = RealExcerpts(features=MUSIC, track=np.arange(len(MUSIC)), teacher=told, album=np.zeros(len(MUSIC), int))
    found = proxies_of(words, fitted, music, share=SHARE, ridge=RIDGE)
    shape, colour = (fitted.subspaces[name].slice for name in (SHAPE, COLOUR))
    with torch.no_grad():
        slices = unit(fitted.network(torch.from_numpy(MUSIC)).numpy()[:, shape])
    # In the order of the words that a tagger tells: loud, round, wild.
    loud, round_ = (
        least_squares_of_rows(slices, 4 * np.tanh((logits - logits.mean()) / logits.std() / 4)) for logits in told.T[:2]
    )
    centres = unit(fitted.values.centres.detach().numpy())
    np.testing.assert_allclose(found[0, shape], unit(loud), atol=1e-4)
    np.testing.assert_allclose(found[2, colour], centres[2], atol=1e-5)
    mixed = (1 - SHARE) * round_ / (slices @ round_).std() + SHARE * centres[0] / (slices @ centres[0]).std()
    np.testing.assert_allclose(found[1, shape], unit(mixed), atol=1e-4)
    assert not found[:2, colour].any()
    assert not found[2:, shape].any()
