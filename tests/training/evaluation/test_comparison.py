"""Several evaluations beside the paper's figures: mean and deviation over seeds, a row for a model, same data only."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.made_up_evaluation import made_up_evaluation, recipe
from tests.training.evaluation.markdown_tables import numbers_of, tables_of
from training.evaluation.comparison import by_recipe, comparison, write_comparison
from training.evaluation.evaluation import EvaluationError, Task
from training.evaluation.published import read_published
from training.evaluation.tables import DASH

POSTER = ("genre", "mood", "instrument", "era")
SHIFTS = (0.0, 0.02, 0.07)
SECONDS = (100.0, 110.0, 150.0)

SEEDS = [
    made_up_evaluation(
        name=f"proxy-seed-{seed}",
        made_by=recipe("disentangled_proxy", seed=seed),
        dimensions=POSTER,
        shift=shift,
        seconds=seconds,
    )
    for seed, (shift, seconds) in enumerate(zip(SHIFTS, SECONDS, strict=True))
]
OTHER = made_up_evaluation(
    name="triplet-0",
    made_by=recipe("triplet", normalisation="whole"),
    dimensions=("all",),
    notions=POSTER,
    seconds=300.0,
)
BEYOND = made_up_evaluation(name="own", made_by=recipe("contrastive", normalisation=None), dimensions=POSTER)


def _tables() -> list[list[list[str]]]:
    return tables_of(comparison(by_recipe([*SEEDS, OTHER, BEYOND])))


def test_without_ours_beneath_it_every_published_figure_is_printed_as_the_paper_has_it() -> None:
    training, triplets, track = _tables()
    published = read_published()
    first = [row for row in training[1:] if row[3] == "published"]
    assert [row[0] for row in first] == [model.family for model in published.models]
    for row, model in zip(first, published.models, strict=True):
        assert row[4] == f"{model.training_time_ratio:.2f}"
        printed = [row[training[0].index(title)].split(" ")[0] for title in ("R@1", "R@2", "R@4", "R@8", "AUC")]
        assert printed == [*(f"{recall:.1f}" for recall in model.recall), f"{model.auc:.3f}"]
    assert triplets[0][5:] == ["Genre", "Mood", "Instrument", "Era", "Overall"]
    own = [row for row in triplets[1:] if row[4] == "published" and row[0] == "Sub-space"]
    disentangled = [model for model in published.models if model.disentangled]
    assert [[numbers_of(text)[0] for text in row[5:]] for row in own] == [
        [*model.sub_space.values(), model.sub_space_overall] for model in disentangled
    ]
    fourth = [row for row in track[1:] if row[3] == "published"]
    assert [[numbers_of(text)[0] for text in row[4:]] for row in fourth] == [
        [model.track, model.human] for model in published.models
    ]


def test_seeds_are_one_row_of_mean_and_sample_deviation_with_chance() -> None:
    training, *_ = _tables()
    (row,) = [row for row in training[1:] if row[:4] == ["Proxy", "✓", "✓", "ours, 3 seeds"]]
    values = [figure.value for run in SEEDS if (figure := run.find(Task.RETRIEVAL, "R@1"))]
    assert len(values) == 3
    expected = [100 * np.mean(values), 100 * np.std(values, ddof=1), 10.0]
    assert numbers_of(row[training[0].index("R@1")]) == pytest.approx(expected, abs=0.06)


def test_training_time_is_divided_by_the_fastest_of_ours() -> None:
    training, *_ = _tables()
    ours = {row[0]: row for row in training[1:] if row[3].startswith("ours")}
    assert numbers_of(ours["Proxy"][4]) == pytest.approx([1.0, np.std(SECONDS, ddof=1) / 120], abs=0.006)
    assert numbers_of(ours["Triplet"][4]) == pytest.approx([2.5], abs=0.006)
    assert ours["contrastive"][4] == DASH
    assert training[0][5] == "by processor time"


def test_ours_stand_beneath_theirs_and_models_beyond_the_paper_last() -> None:
    training, *_ = _tables()
    rows = [row[:4] for row in training[1:]]
    assert rows[rows.index(["Triplet", "✓", "✗", "ours"]) - 1] == ["Triplet", "✓", "✗", "published"]
    assert rows[-1] == ["contrastive", "✓", "✓", "ours"]


def test_recipes_that_differ_in_more_than_the_seed_are_not_averaged() -> None:
    wider = made_up_evaluation(name="wide", made_by=recipe("disentangled_proxy"), dimensions=POSTER)
    made_by = recipe("disentangled_proxy")
    made_by["recipe"] = {**made_by["recipe"], "backbone": {"width": 2.0}}  # type: ignore[dict-item]
    other = wider.model_copy(update={"recipe": made_by})
    assert [len(runs) for runs in by_recipe([*SEEDS, other]).values()] == [3, 1]


def test_bundles_that_no_recipe_made_are_not_averaged() -> None:
    one, another = (
        made_up_evaluation(name="given", made_by={"recipe": "closed form"}).model_copy(update={"encoder_id": encoder})
        for encoder in ("a", "b")
    )
    assert [len(runs) for runs in by_recipe([one, another]).values()] == [1, 1]


def test_evaluations_on_other_data_are_refused() -> None:
    elsewhere = OTHER.model_copy(update={"data": {"name": "other music", "side": "test"}})
    with pytest.raises(EvaluationError, match=r"other music.*same data"):
        comparison(by_recipe([*SEEDS, elsewhere]))


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no evaluation"):
        comparison({})


def test_the_page_is_written_as_it_is(tmp_path: Path) -> None:
    path = write_comparison({"triplet": [OTHER]}, tmp_path)
    assert path.read_text(encoding="utf-8") == comparison({"triplet": [OTHER]})
