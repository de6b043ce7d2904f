"""The pictures: read back as images, drawn for any dimensions, and true to who is near whom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from index.subspaces import UnknownDimensionError
from tests.training.evaluation.made_up_evaluation import made_up_evaluation, made_up_tracks
from training.evaluation.drawing import DOTS_PER_INCH, PALETTE
from training.evaluation.evaluation import AS_RECORDED, Evaluation, Similarity, Task
from training.evaluation.plots import draw_plots
from training.evaluation.points import Complete, track_points
from training.evaluation.projection import default_dimension, draw_projection, highlights_of, projected


def _colours(path: Path) -> set[str]:
    """Every colour of a PNG, as `#RRGGBB`."""
    pixels = np.round(255 * imread(path)[..., :3]).astype(np.int64).reshape(-1, 3)
    return {f"#{code:06X}" for code in np.unique(pixels @ (65_536, 256, 1))}


def _inches(path: Path) -> tuple[float, float]:
    height, width = imread(path).shape[:2]
    return width / DOTS_PER_INCH, height / DOTS_PER_INCH


def _only(evaluation: Evaluation, *tasks: Task) -> Evaluation:
    return evaluation.model_copy(update={"figures": tuple(f for f in evaluation.figures if f.task in tasks)})


@pytest.mark.parametrize("n_dimensions", [1, 9])
def test_the_page_is_drawn_for_any_number_of_dimensions(n_dimensions: int, tmp_path: Path) -> None:
    evaluation = made_up_evaluation(dimensions=[f"dimension {number}" for number in range(n_dimensions)])
    path = draw_plots(evaluation, tmp_path / "plots.png")
    assert len(_colours(path)) > 20
    assert set(PALETTE[:2]) <= _colours(path)


def test_the_page_grows_with_what_was_measured(tmp_path: Path) -> None:
    plain = made_up_evaluation(conditions=(AS_RECORDED,))
    one = _inches(draw_plots(_only(plain, Task.RETRIEVAL), tmp_path / "one.png"))
    two = _inches(draw_plots(_only(plain, Task.RETRIEVAL, Task.TAGGING), tmp_path / "two.png"))
    three = _inches(draw_plots(_only(plain, Task.RETRIEVAL, Task.TAGGING, Task.CALIBRATION), tmp_path / "three.png"))
    seven = _inches(draw_plots(made_up_evaluation(dimensions=("a", "b")), tmp_path / "seven.png"))
    assert two == pytest.approx((2 * one[0], one[1]), abs=0.01)
    assert three == pytest.approx((2 * one[0], 2 * one[1] - 0.4), abs=0.01)
    assert seven == pytest.approx((3 * one[0], 3 * one[1] - 0.8), abs=0.01)


def test_without_figures_the_page_says_so_and_shows_no_curve(tmp_path: Path) -> None:
    path = draw_plots(_only(made_up_evaluation()), tmp_path / "none.png")
    assert not _colours(path) & set(PALETTE[:-1])


def test_figures_without_intervals_or_chance_can_be_drawn(tmp_path: Path) -> None:
    whole = made_up_evaluation()
    bare = [figure.model_copy(update={"low": None, "high": None, "chance": None}) for figure in whole.figures]
    few = _only(whole.model_copy(update={"figures": tuple(bare)}), Task.RETRIEVAL, Task.TAG_TRIPLETS)
    path = draw_plots(few, tmp_path / "bare.png")
    assert PALETTE[0] in _colours(path)


def test_the_same_seed_draws_the_same_picture(tmp_path: Path) -> None:
    tracks = made_up_tracks(24)
    first, again, other = (
        draw_projection(tracks, tmp_path / f"{place}.png", seed=seed).read_bytes()
        for place, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first != other


def test_the_projection_keeps_tracks_of_one_tag_nearer_than_others() -> None:
    tracks = made_up_tracks(60)
    dimension = tracks.subspaces.names[1]
    vectors = track_points(tracks, subspace=dimension, similarity=Similarity.COSINE, complete=Complete.SLICES).vectors
    places = projected(vectors, seed=0)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    labels = tracks.labels[:, tracks.tags_of(dimension)].astype(int)
    is_same = (labels @ labels.T).astype(bool)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :5]
    assert np.take_along_axis(is_same, nearest, axis=1).mean() > 0.95
    np.fill_diagonal(apart, np.nan)
    assert np.nanmean(apart[is_same]) < 0.5 * np.nanmean(apart[~is_same])


def test_the_same_tracks_are_highlighted_in_both_spaces_and_only_with_one_tag() -> None:
    tracks = made_up_tracks(60)
    dimension = tracks.subspaces.names[0]
    columns = tracks.tags_of(dimension)
    tracks.labels[7, columns] = True  # A track with all three tags is highlighted by none.
    drawn = np.arange(0, 60, 2) + (np.arange(30) == 3)  # 7 in place of 6.
    highlights = highlights_of(tracks, drawn, notion=dimension)
    for highlight in highlights:
        column = tracks.tags.index(highlight.tag)
        assert tracks.labels[drawn[highlight.positions], column].all()
        assert 7 not in drawn[highlight.positions]
    assert sum(len(highlight.positions) for highlight in highlights) == 29


def test_more_tags_than_colours_highlight_the_commonest() -> None:
    tracks = made_up_tracks(60, dimensions=[f"dimension {number}" for number in range(4)])
    everything = np.arange(60)
    highlights = highlights_of(tracks, everything, notion="a dimension that has no tags")
    assert len(highlights) <= len(PALETTE)
    counts = tracks.labels.sum(axis=0)
    least = min(counts[tracks.tags.index(highlight.tag)] for highlight in highlights)
    assert least >= np.sort(counts)[::-1][len(PALETTE) - 1]


def test_instrument_is_drawn_by_default_where_there_is_such_a_sub_space(tmp_path: Path) -> None:
    assert default_dimension(made_up_tracks(8, dimensions=("genre", "instrument"))) == "instrument"
    assert default_dimension(made_up_tracks(8, dimensions=("tempo", "key"))) == "tempo"
    # The same tracks are highlighted for a bundle that has no sub-spaces.
    undivided = made_up_tracks(8, dimensions=("all",)).subspaces
    whole = replace(made_up_tracks(8, dimensions=("genre", "instrument")), subspaces=undivided)
    assert default_dimension(whole) == "instrument"
    with pytest.raises(UnknownDimensionError):
        draw_projection(made_up_tracks(8), tmp_path / "space.png", dimension="taste")


def test_a_sample_is_drawn_of_many_tracks_and_one_space_of_a_bundle_with_one(tmp_path: Path) -> None:
    two = draw_projection(made_up_tracks(40), tmp_path / "two.png", most_tracks=10)
    one = draw_projection(made_up_tracks(12, dimensions=("all",)), tmp_path / "one.png")
    assert _inches(two)[0] == pytest.approx(2 * _inches(one)[0], abs=0.01)
    assert set(PALETTE[:2]) <= _colours(two)


def test_a_space_that_collapsed_to_a_point_can_be_drawn(tmp_path: Path) -> None:
    tracks = made_up_tracks(12)
    for number in (0.0, 1.0):
        collapsed = replace(tracks, excerpts=np.full_like(tracks.excerpts, number))
        assert len(_colours(draw_projection(collapsed, tmp_path / "space.png"))) > 5


@pytest.mark.parametrize("n", [1, 3, 4])
def test_few_tracks_are_no_error(n: int, tmp_path: Path) -> None:
    assert _inches(draw_projection(made_up_tracks(n), tmp_path / "few.png"))[0] > 5
