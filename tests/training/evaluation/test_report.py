"""The page for one evaluation: every number in its place, and no place for what was not measured."""

from pathlib import Path

import pytest

from tests.training.evaluation.made_up_evaluation import DIMENSIONS, MP3, made_up_evaluation, made_up_tracks
from tests.training.evaluation.markdown_tables import numbers_of, tables_of
from training.evaluation.evaluation import AS_RECORDED, OWN_SUBSPACES, Evaluation, Figure, Task
from training.evaluation.report import evaluation_report, robustness_table, write_report
from training.evaluation.tables import DASH, Table, cell


def _table(evaluation: Evaluation, *titles: str) -> list[list[str]]:
    """The first table whose header begins so."""
    return next(table for table in tables_of(evaluation_report(evaluation)) if table[0][: len(titles)] == list(titles))


def _figure(evaluation: Evaluation, task: Task, metric: str, **where: str | None) -> Figure:
    found = evaluation.find(task, metric, **where)
    assert found is not None
    return found


def _expected(figure: Figure, *, scale: float = 1.0, digits: int = 3) -> list[float]:
    assert figure.low is not None
    assert figure.high is not None
    assert figure.chance is not None
    return [round(scale * number, digits) for number in (figure.value, figure.low, figure.high, figure.chance)]


def test_retrieval_shows_value_interval_and_chance_in_per_cent_for_every_space() -> None:
    evaluation = made_up_evaluation()
    header, *rows = _table(evaluation, "Embedding space", "R@1")
    assert header == ["Embedding space", "R@1", "R@2", "R@4", "R@8"]
    assert [row[0] for row in rows] == ["complete space", *DIMENSIONS]
    for row, space in zip(rows, (None, *DIMENSIONS), strict=True):
        for metric, text in zip(header[1:], row[1:], strict=True):
            figure = _figure(evaluation, Task.RETRIEVAL, metric, subspace=space)
            assert numbers_of(text) == pytest.approx(_expected(figure, scale=100, digits=1))


def test_triplets_have_the_posters_layout_for_any_dimensions() -> None:
    evaluation = made_up_evaluation()
    header, *rows = _table(evaluation, "Embedding space", "Model")
    assert header[5:] == ["Klang|farbe", "$tempo$", "_room", "Overall"]
    assert [row[0] for row in rows] == ["Complete space", "Sub-space"]
    for place, notion in enumerate(DIMENSIONS):
        complete = _figure(evaluation, Task.TAG_TRIPLETS, "accuracy", notion=notion)
        own = _figure(evaluation, Task.TAG_TRIPLETS, "accuracy", notion=notion, subspace=notion)
        assert numbers_of(rows[0][5 + place]) == pytest.approx(_expected(complete))
        assert numbers_of(rows[1][5 + place]) == pytest.approx(_expected(own))
    overall = _figure(evaluation, Task.TAG_TRIPLETS, "accuracy", variant=OWN_SUBSPACES)
    assert numbers_of(rows[1][-1]) == pytest.approx(_expected(overall))


def test_the_leakage_matrix_has_a_row_for_every_space_and_a_column_for_every_dimension() -> None:
    evaluation = made_up_evaluation()
    header, *rows = _table(evaluation, "Embedding space", DIMENSIONS[0])
    assert header[1:] == [*DIMENSIONS, "overall"]
    by_space = {row[0]: row[1:] for row in rows}
    assert list(by_space) == ["complete space", *DIMENSIONS, OWN_SUBSPACES]
    leaked = _figure(evaluation, Task.TAG_TRIPLETS, "accuracy", subspace="_room", notion="$tempo$")
    assert numbers_of(by_space["_room"][1]) == pytest.approx(_expected(leaked))
    assert by_space["_room"][-1] == DASH


def test_every_figure_of_the_audio_as_recorded_stands_somewhere() -> None:
    evaluation = made_up_evaluation()
    page = evaluation_report(evaluation)
    recorded = [figure for figure in evaluation.figures if figure.condition == AS_RECORDED]
    assert len({cell(figure) for figure in recorded}) > 40
    assert [figure.name for figure in recorded if cell(figure) not in page] == []


def test_calibration_has_a_row_for_every_dimension_and_every_tag() -> None:
    evaluation = made_up_evaluation()
    header, *rows = _table(evaluation, "Tags of", "calibration error")
    assert header == ["Tags of", "calibration error", "Brier score"]
    assert {row[0] for row in rows} == {*DIMENSIONS, "overall"}
    of_tags = [
        table
        for table in tables_of(evaluation_report(evaluation))
        if table[0][0] == "Tag" and table[0][-2:] == ["calibration error", "Brier score"]
    ]
    (header, *rows) = of_tags[0]
    assert {row[0] for row in rows} == {f"{kind} of {name}" for kind in ("tag", "unheard") for name in DIMENSIONS}
    for row in rows:
        for metric, text in zip(("calibration_error", "brier_score"), row[-2:], strict=True):
            figure = _figure(evaluation, Task.CALIBRATION, metric, tag=row[0], notion=row[0].partition(" of ")[2])
            assert numbers_of(text) == pytest.approx(_expected(figure))


def test_reliability_tells_of_every_tag_what_was_said_and_what_was_so() -> None:
    evaluation = made_up_evaluation()
    header, *rows = _table(evaluation, "Tag", "1")
    assert header == ["Tag", *map(str, range(1, 9))]
    assert [row[0] for row in rows] == list(evaluation.reliability)
    for row, bins in zip(rows, evaluation.reliability.values(), strict=True):
        expected = [f"{each.mean_probability:.2f} → {each.share:.2f}" for each in bins]
        assert row[1:] == expected + [DASH] * (8 - len(bins))
    plain = evaluation.model_copy(update={"reliability": {}})
    assert "Reliability" not in evaluation_report(plain)


def test_what_was_not_measured_is_a_dash_and_its_section_is_left_out() -> None:
    whole = made_up_evaluation()
    bare = whole.model_copy(update={"figures": (_figure(whole, Task.RETRIEVAL, "R@2"),)})
    page = evaluation_report(bare)
    first = tables_of(page)[0]
    assert first[0][4:] == ["Training time ratio", "R@2", "AUC"]
    assert first[1][4] == first[1][6] == DASH
    assert "Hubness" not in page
    assert "Robustness" not in page


def test_an_evaluation_without_figures_is_a_page_without_numbers() -> None:
    page = evaluation_report(made_up_evaluation().model_copy(update={"figures": ()}))
    assert all(text == DASH for row in tables_of(page)[0][1:] for text in row[4:])


def test_a_bundle_with_one_dimension_has_no_sub_space_rows() -> None:
    evaluation = made_up_evaluation(dimensions=("all",), notions=("genre", "mood"))
    _, *rows = _table(evaluation, "Embedding space", "Model")
    assert [row[0] for row in rows] == ["Complete space"]


def test_changes_of_the_audio_stand_beneath_the_audio_as_recorded() -> None:
    evaluation = made_up_evaluation()
    table = robustness_table(evaluation)
    assert table is not None
    assert [row[0] for row in table.rows] == ["As recorded", "Mp3 at 64 kbit/s"]
    changed = _figure(evaluation, Task.RETRIEVAL, "R@1", condition=MP3)
    assert table.rows[1][1] == cell(changed)
    assert robustness_table(made_up_evaluation(conditions=(AS_RECORDED,))) is None


def test_the_model_of_the_poster_stands_above_the_bundle_that_its_recipe_made() -> None:
    _, published, ours = _table(made_up_evaluation(name="disentangled_proxy"), "Model")
    assert published[:4] == ["Proxy", "✓", "✓", "published"]
    assert numbers_of(published[5]) == [44.7, 5.9]
    assert ours[:4] == ["Proxy", "✓", "✓", "ours"]


def test_what_could_not_be_asked_is_told_with_its_reason() -> None:
    evaluation = made_up_evaluation()
    noted = evaluation.model_copy(update={"data": {**evaluation.data, "notes": ["era: no tag is on two tracks"]}})
    assert "## What could not be asked\n\n- Era: no tag is on two tracks.\n" in evaluation_report(noted)
    assert "could not be asked" not in evaluation_report(evaluation)


def test_a_pipe_in_a_name_does_not_break_a_table() -> None:
    (table,) = tables_of(Table(header=("a|b", "n"), rows=(("c | d", "1"),)).markdown)
    assert table == [["a|b", "n"], ["c | d", "1"]]


def test_write_report_tells_the_files_it_wrote(tmp_path: Path) -> None:
    written = write_report(made_up_evaluation(), made_up_tracks(20), tmp_path / "new")
    assert {path.name for path in written} == {"evaluation.md", "evaluation-plots.png", "evaluation-space.png"}
    assert set(written) == set((tmp_path / "new").iterdir())
    page = (tmp_path / "new" / "evaluation.md").read_text(encoding="utf-8")
    assert "![evaluation-plots.png](evaluation-plots.png)" in page
    assert "![evaluation-space.png](evaluation-space.png)" in page


def test_without_tracks_there_is_no_picture_of_the_space(tmp_path: Path) -> None:
    written = write_report(made_up_evaluation().model_copy(update={"figures": ()}), None, tmp_path)
    assert {path.name for path in written} == {"evaluation.md", "evaluation-plots.png"}
    assert "evaluation-space" not in (tmp_path / "evaluation.md").read_text(encoding="utf-8")
