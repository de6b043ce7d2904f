"""The gate opens exactly when every threshold names a figure and is reached."""

from pathlib import Path

import pytest

from training.evaluation.evaluation import Evaluation, EvaluationError, Figure, Similarity, Task
from training.evaluation.gate import read_thresholds, shortfalls


def figure(value: float = 0.5, **attributes) -> Figure:
    settings = {"task": Task.RETRIEVAL, "metric": "R@1", "similarity": Similarity.COSINE, "n": 10} | attributes
    return Figure(value=value, **settings)


FIGURES = (
    figure(0.40),
    figure(0.50, subspace="mood"),
    figure(0.60, subspace="mood", notion="mood"),
    figure(0.70, similarity=Similarity.DOT),
    figure(0.30, condition="noise at 20 dB SNR"),
    figure(0.90, task=Task.TAGGING, metric="roc_auc", variant="model", similarity=None),
    figure(0.80, task=Task.TAGGING, metric="roc_auc", variant="model", similarity=None, tag="sad", notion="mood"),
    figure(float("nan"), metric="R@2"),
)
EVALUATION = Evaluation(
    bundle="b", encoder_id="0" * 16, dimensions=("mood",), recipe={}, data={}, settings={}, figures=FIGURES
)


def falls_short(folder: Path, *thresholds: str) -> list[str]:
    path = folder / "thresholds.toml"
    path.write_text("\n".join(f"[[at_least]]\n{threshold}" for threshold in thresholds))
    return [str(shortfall) for shortfall in shortfalls(EVALUATION, read_thresholds(path))]


@pytest.mark.parametrize(
    ("named", "value"),
    [
        ('task = "retrieval"\nmetric = "R@1"', 0.40),
        ('task = "retrieval"\nmetric = "R@1"\nsubspace = "mood"', 0.50),
        ('task = "retrieval"\nmetric = "R@1"\nsubspace = "mood"\nnotion = "mood"', 0.60),
        ('task = "retrieval"\nmetric = "R@1"\nsimilarity = "dot"', 0.70),
        ('task = "retrieval"\nmetric = "R@1"\ncondition = "noise at 20 dB SNR"', 0.30),
        ('task = "tagging"\nmetric = "roc_auc"\nvariant = "model"', 0.90),
        ('task = "tagging"\nmetric = "roc_auc"\nvariant = "model"\ntag = "sad"\nnotion = "mood"', 0.80),
    ],
)
def test_a_threshold_is_held_against_the_figure_it_names(tmp_path: Path, named: str, value: float) -> None:
    assert falls_short(tmp_path, f"{named}\nvalue = {value}") == []
    [message] = falls_short(tmp_path, f"{named}\nvalue = {value + 0.01}")
    assert f"is {value:.4f}, 0.0100 short of the {value + 0.01:g}" in message


def test_what_fell_short_is_named_and_what_did_not_is_not(tmp_path: Path) -> None:
    retrieval = 'task = "retrieval"\nmetric = "R@1"\n'
    messages = falls_short(
        tmp_path,
        f"{retrieval}value = 0.9",
        f'{retrieval}subspace = "mood"\nvalue = 0.1',
        f'{retrieval}condition = "noise at 20 dB SNR"\nvalue = 0.5',
    )
    assert len(messages) == 2
    assert "retrieval R@1 in the complete space is 0.4000, 0.5000 short" in messages[0]
    assert "after noise at 20 dB SNR is 0.3000, 0.2000 short" in messages[1]


def test_a_figure_that_is_no_number_falls_short(tmp_path: Path) -> None:
    assert len(falls_short(tmp_path, 'task = "retrieval"\nmetric = "R@2"\nvalue = -1')) == 1


def test_a_ceiling_is_the_most_a_figure_may_be(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.toml"
    retrieval = 'task = "retrieval"\nmetric = "R@1"\n'
    path.write_text(f"[[at_most]]\n{retrieval}value = 0.4\n[[at_least]]\n{retrieval}value = 0.4")
    assert shortfalls(EVALUATION, read_thresholds(path)) == ()
    path.write_text(f"[[at_most]]\n{retrieval}value = 0.35\n[[at_most]]\n{retrieval.replace('1', '2')}value = 9")
    messages = [str(shortfall) for shortfall in shortfalls(EVALUATION, read_thresholds(path))]
    assert messages[0].endswith("retrieval R@1 in the complete space is 0.4000, 0.0500 above the 0.35 it may be")
    # What is no number is not little, either.
    assert "R@2" in messages[1]


@pytest.mark.parametrize(
    ("threshold", "complaint"),
    [
        ('task = "retrieval"\nmetric = "R@3"', "metric R@3 names no figure of this evaluation; the nearest is"),
        (
            'task = "retrieval"\nmetric = "R@1"\nsubspace = "moood"',
            "nearest is task retrieval, metric R@1, subspace mood",
        ),
        ('task = "tagging"\nmetric = "roc_auc"', "variant model"),
        ('task = "hubness"\nmetric = "skewness"', "has figures of retrieval, tagging only"),
    ],
)
def test_a_threshold_that_names_no_figure_is_an_error_and_tells_the_nearest(
    tmp_path: Path, threshold: str, complaint: str
) -> None:
    with pytest.raises(EvaluationError, match=complaint):
        falls_short(tmp_path, f"{threshold}\nvalue = 0.1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no threshold; each stands under"),
        ("at_least = []\nat_most = []", "holds no threshold"),
        ("at_best = []", "at_best: Extra inputs"),
        ('[[at_most]]\ntask = "retrieval"\nmetric = "R@1"', "at_most.1.value: Field required"),
        ("[[at_least", "is not TOML"),
        ('[[at_least]]\ntask = "retrieval"\nmetric = "R@1"', "at_least.1.value: Field required"),
        ('[[at_least]]\ntask = "retrieval"\nmetric = "R@1"\nvalue = nan', "at_least.1.value"),
        ('[[at_least]]\ntask = "retreival"\nmetric = "R@1"\nvalue = 1', "at_least.1.task"),
        ('[[at_least]]\ntask = "retrieval"\nmetric = "R@1"\nvalue = 1\nsub_space = "a"', "sub_space: Extra inputs"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text(text)
    with pytest.raises(EvaluationError, match=complaint):
        read_thresholds(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="does not exist"):
        read_thresholds(tmp_path / "nothing.toml")


def test_two_figures_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = EVALUATION.model_copy(update={"figures": (figure(0.4), figure(0.5, similarity=None))})
    path = tmp_path / "thresholds.toml"
    path.write_text('[[at_least]]\ntask = "retrieval"\nmetric = "R@1"\nvalue = 0.1')
    with pytest.raises(EvaluationError, match="names 2 figures"):
        shortfalls(twice, read_thresholds(path))
