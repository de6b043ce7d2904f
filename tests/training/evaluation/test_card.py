"""The card: what the export wrote stays, what was measured is replaced, and what figures do not tell is told."""

import shutil
from pathlib import Path

import pytest

from tests.training.evaluation.made_up_evaluation import DIMENSIONS, made_up_evaluation
from tests.training.evaluation.markdown_tables import numbers_of, tables_of
from training.evaluation.card import BEGIN, END, NOT_EVALUATED, card_section, main_figures, with_section, write_card
from training.evaluation.evaluation import AS_RECORDED, EvaluationError, Task
from training.evaluation.report import write_report

ROOT = Path(__file__).parents[3]
BUNDLE = ROOT / "models" / "musicnn-msd"
ORIGIN = "# bundle\n\nMade from songs. Licence: CC0.\n"


def test_measured_again_the_section_is_replaced_and_the_rest_is_kept() -> None:
    once = with_section(ORIGIN + f"\n{NOT_EVALUATED}\n", "first figures")
    assert once == f"{ORIGIN}\n{BEGIN}\nfirst figures\n{END}\n"
    moved = once.replace(END, f"{END}\n\n## Thanks\n\nTo all.")
    twice = with_section(moved, "second figures")
    assert twice == f"{ORIGIN}\n{BEGIN}\nsecond figures\n{END}\n\n## Thanks\n\nTo all.\n"
    assert with_section(twice, "second figures") == twice


def test_the_sentence_that_is_taken_off_is_the_one_that_exports_write() -> None:
    assert NOT_EVALUATED in (ROOT / "training" / "checkpoint_export.py").read_text(encoding="utf-8")


def test_a_section_without_an_end_is_left_alone() -> None:
    with pytest.raises(EvaluationError, match="ends"):
        with_section(f"{ORIGIN}\n{BEGIN}\nfigures, and what else?\n", "new figures")


def test_a_bundles_card_keeps_its_text_and_gets_every_main_figure(tmp_path: Path) -> None:
    shutil.copy(BUNDLE / "CARD.md", tmp_path)
    evaluation = made_up_evaluation()
    card = write_card(evaluation, tmp_path).read_text(encoding="utf-8")
    original = (BUNDLE / "CARD.md").read_text(encoding="utf-8").partition(BEGIN)[0]
    assert card.startswith(original.rstrip())
    table = next(table for table in tables_of(card) if table[0][0] == "Task")
    figures = main_figures(evaluation)
    # Nine of the whole, four of each dimension, and the skewness.
    assert len(table) - 1 == len(figures) == 9 + 4 * 3 + 1
    for row, figure in zip(table[1:], figures, strict=True):
        scale = 100 if figure.metric.startswith("R@") else 1
        assert figure.low is not None
        assert figure.high is not None
        assert figure.chance is not None
        assert row[0] == figure.task.value
        numbers = [scale * number for number in (figure.value, figure.low, figure.high, figure.chance)]
        assert numbers_of(" ".join(row[4:7])) == pytest.approx(numbers, abs=0.051 if scale > 1 else 0.0051)
        assert row[7] == "1,234"


def test_a_bundle_without_a_card_gets_one_that_tells_what_it_was_made_from(tmp_path: Path) -> None:
    shutil.copy(BUNDLE / "bundle.json", tmp_path)
    card = write_card(made_up_evaluation(), tmp_path).read_text(encoding="utf-8")
    assert card.startswith("# musicnn-msd\n")
    assert "PyPI musicnn 0.1.0" in card
    assert BEGIN in card


def test_the_report_writes_the_card_only_where_a_bundle_lies(tmp_path: Path) -> None:
    evaluation = made_up_evaluation().model_copy(update={"figures": ()})
    assert not any(path.name == "CARD.md" for path in write_report(evaluation, None, tmp_path))
    shutil.copy(BUNDLE / "bundle.json", tmp_path)
    assert tmp_path / "CARD.md" in write_report(evaluation, None, tmp_path)


def test_figures_that_are_not_told_from_chance_are_named() -> None:
    section = card_section(made_up_evaluation())
    (line,) = [line for line in section.splitlines() if line.startswith("- No better than chance")]
    assert line.endswith(": Dim-Sim accuracy, overall, complete space.")


def test_tags_whose_probabilities_cannot_be_trusted_are_named() -> None:
    lines = card_section(made_up_evaluation()).splitlines()
    (wrong,) = [line for line in lines if "did not hold here" in line]
    assert [f"{kind} of {DIMENSIONS[0]} (" in wrong for kind in ("tag", "unheard")] == [True, False]
    (useless,) = [line for line in lines if "no better a forecast here" in line]
    assert useless.endswith(": " + ", ".join(f"unheard of {name}" for name in DIMENSIONS) + ".")
    assert any("probabilities of 0 of 6 tags held here" in line for line in lines)
    without = made_up_evaluation()
    plain = tuple(figure for figure in without.figures if figure.task is not Task.CALIBRATION)
    assert "robabilities" not in card_section(without.model_copy(update={"figures": plain}))


def test_tasks_and_changes_that_were_not_measured_are_named_and_so_are_notes() -> None:
    evaluation = made_up_evaluation(conditions=(AS_RECORDED,))
    some = tuple(figure for figure in evaluation.figures if figure.task is not Task.HUBNESS)
    data = {**evaluation.data, "notes": ["era: no tag is on two tracks"]}
    section = card_section(evaluation.model_copy(update={"figures": some, "data": data}))
    assert "- Not measured: factor triplets, factor pairs, hubness, same artist, agreement." in section
    assert "- Not measured: what becomes of them when the audio is compressed" in section
    assert "- Era: no tag is on two tracks." in section
    assert "compressed" not in card_section(made_up_evaluation())
