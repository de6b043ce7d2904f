"""The losses of heads against slow loops of their formulas, and the loop that minimises them."""

import math

import numpy as np
import torch

from index.subspaces import Subspaces
from training.embedding import subspaces_of
from training.heads.excerpts import UNKNOWN, LearntExcerpts
from training.heads.fitting import RealExcerpts, fit_heads
from training.heads.objective import TeacherLoss, TrackLoss, ValueLoss
from training.heads.recipe import HeadRecipe, read_head_recipe
from training.vocabulary import Vocabulary, VocabularyTag

TAGS = Vocabulary(
    "two",
    "made up",
    ("shape", "colour"),
    tuple(
        VocabularyTag(*tag)
        for tag in (("round", "shape"), ("square", "shape"), ("red", "colour"), ("blue", "colour"), ("grey", "colour"))
    ),
)
SUBSPACES: Subspaces = subspaces_of(TAGS.dimensions, widths=3)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_value_loss_is_the_smoothed_cross_entropy_of_scaled_cosines() -> None:
    torch.manual_seed(0)
    loss = ValueLoss(TAGS, SUBSPACES, scale=5.0, smoothing=0.1, contrast_weight=0.0, temperature=0.1)
    embeddings = torch.randn(4, 6)
    values = {"shape": torch.tensor([0, 1, UNKNOWN, 1]), "colour": torch.tensor([2, 0, 1, UNKNOWN])}
    centres, expected = loss.centres.detach().numpy(), []
    for dimension, columns, rows in (("shape", slice(0, 3), (0, 1)), ("colour", slice(3, 6), (2, 3, 4))):
        terms = []
        for row, value in enumerate(values[dimension].tolist()):
            if value == UNKNOWN:
                continue
            cosines = [5.0 * unit(embeddings[row, columns].numpy()) @ unit(centres[tag]) for tag in rows]
            total = math.log(sum(math.exp(each) for each in cosines))
            right = total - cosines[value]
            even = sum(total - each for each in cosines) / len(cosines)
            terms.append(0.9 * right + 0.1 * even)
        expected.append(sum(terms) / len(terms))
    assert math.isclose(loss(embeddings, values).item(), sum(expected) / 2, rel_tol=1e-5)


def test_a_dimension_of_which_nothing_is_known_costs_nothing() -> None:
    torch.manual_seed(5)
    loss = ValueLoss(TAGS, SUBSPACES, scale=5.0, smoothing=0.1, contrast_weight=1.0, temperature=0.1)
    embeddings = torch.randn(4, 6, requires_grad=True)
    loss(embeddings, {"shape": torch.tensor([0, 1, 0, 1]), "colour": torch.full((4,), UNKNOWN)}).backward()
    assert embeddings.grad is not None
    assert embeddings.grad[:, :3].abs().sum() > 0
    assert not embeddings.grad[:, 3:].any()


def test_contrast_is_that_of_the_contrastive_model_and_asks_nobody_whose_value_is_unknown() -> None:
    torch.manual_seed(4)
    embeddings = torch.randn(6, 6)
    values = {"shape": torch.tensor([0, 0, 1, 1, UNKNOWN, 0]), "colour": torch.tensor([2, 0, 2, UNKNOWN, 1, 1])}
    losses = [
        ValueLoss(TAGS, SUBSPACES, scale=5.0, smoothing=0.0, contrast_weight=weight, temperature=0.2)
        for weight in (0.0, 0.7)
    ]
    losses[1].load_state_dict(losses[0].state_dict())
    added = losses[1](embeddings, values).item() - losses[0](embeddings, values).item()
    expected = []
    for dimension, columns in (("shape", slice(0, 3)), ("colour", slice(3, 6))):
        known = [row for row, value in enumerate(values[dimension].tolist()) if value != UNKNOWN]
        slices = {row: unit(embeddings[row, columns].numpy()) for row in known}
        terms = []
        for anchor in known:
            others = [row for row in known if row != anchor]
            same = [row for row in others if values[dimension][row] == values[dimension][anchor]]
            if same:
                total = sum(math.exp(slices[anchor] @ slices[row] / 0.2) for row in others)
                logs = [math.log(math.exp(slices[anchor] @ slices[row] / 0.2) / total) for row in same]
                terms.append(-sum(logs) / len(same))
        expected.append(sum(terms) / len(terms))
    assert math.isclose(added, 0.7 * sum(expected) / 2, rel_tol=1e-4)


def test_track_loss_asks_both_ways_for_the_other_excerpt() -> None:
    torch.manual_seed(1)
    first, second = torch.randn(3, 6), torch.randn(3, 6)

    def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
        return sum(float(unit(a[cut].numpy()) @ unit(b[cut].numpy())) for cut in (slice(0, 3), slice(3, 6))) / 2

    expected = 0.0
    for row in range(3):
        for one, others in ((first, second), (second, first)):
            exponentials = [math.exp(cosine(one[row], others[other]) / 0.5) for other in range(3)]
            expected -= math.log(exponentials[row] / sum(exponentials)) / 6
    assert math.isclose(TrackLoss(SUBSPACES, temperature=0.5)(first, second).item(), expected, rel_tol=1e-5)


def test_teacher_loss_is_the_squared_error_of_each_tags_own_slice() -> None:
    torch.manual_seed(2)
    loss = TeacherLoss(TAGS, SUBSPACES)
    embeddings, wanted = torch.randn(2, 6), torch.randn(2, 5)
    expected = 0.0
    for columns, tags in ((slice(0, 3), range(2)), (slice(3, 6), range(2, 5))):
        for row in range(2):
            for tag in tags:
                told = (
                    unit(embeddings[row, columns].numpy()) @ loss.proxies[tag].detach().numpy()
                    + loss.biases[tag].item()
                )
                expected += (told - wanted[row, tag].item()) ** 2 / (2 * len(tags)) / 2
    assert math.isclose(loss(embeddings, wanted).item(), expected, rel_tol=1e-5)


def test_heads_find_the_factors_that_features_hold_and_leave_out_the_others() -> None:
    rng = np.random.default_rng(3)
    shape, colour = rng.integers(2, size=200), rng.integers(3, size=200)
    mixing = rng.standard_normal((5, 12))
    told = np.concatenate([np.eye(2)[shape], np.eye(3)[colour]], axis=1)
    features = (told @ mixing + 0.05 * rng.standard_normal((200, 12))).astype(np.float32)
    content = read_head_recipe().model_dump()
    content["network"] |= {"slice_width": 3, "hidden": 16, "dropout": 0.0, "unseen": {}}
    content["training"] |= {"steps": 150, "labelled_excerpts": 64, "real_tracks": 8, "learning_rate": 0.01}
    labelled = LearntExcerpts(features=features, track=np.arange(200), values={"shape": shape, "colour": colour})
    real = RealExcerpts(
        features=features[:40],
        track=np.repeat(np.arange(20), 2),
        teacher=told[:40].astype(np.float32),
        album=np.arange(20) // 4,
    )
    fitted = fit_heads(labelled, real, HeadRecipe.model_validate(content), values=TAGS, taught=TAGS, blocks={})
    with torch.no_grad():
        embedding = SUBSPACES.unit(fitted.network(torch.from_numpy(features)).numpy())
    for values, columns in ((shape, slice(0, 3)), (colour, slice(3, 6))):
        cosines = embedding[:, columns] @ embedding[:, columns].T
        same = values[:, None] == values[None, :]
        assert cosines[same].mean() > 0.9
        assert np.quantile(cosines[same], 0.05) > np.quantile(cosines[~same], 0.95)
