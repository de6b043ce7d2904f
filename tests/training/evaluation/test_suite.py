"""The whole suite on a bundle that hears everything, and on one for which there is nothing to hear."""

import csv
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from index.decoder import Decoder
from index.model import ModelBundle
from index.waveform import AudioError, AudioErrorCode, Samples
from tests.training.evaluation.small_bundle import write_bundle, write_catalogue, write_noise
from training.datasets.labels import TagCase
from training.datasets.manifest import Manifest
from training.datasets.manifest_files import read_manifest, write_manifest
from training.evaluation.conditions import CONDITIONS, Condition
from training.evaluation.evaluation import AS_RECORDED, Evaluation, EvaluationError, Figure, Similarity, Task
from training.evaluation.measured_data import read_data, vocabulary_of
from training.evaluation.suite import Measured, evaluate_bundle
from training.evaluation.suite_settings import SuiteSettings
from training.evaluation.triplet_files import write_triplets
from training.vocabulary import Vocabulary, VocabularyTag

Evaluate = Callable[..., Measured]
QUICK = {"triplets": 400, "resamples": 30}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return ModelBundle.open(write_bundle(tmp_path_factory.mktemp("bundle") / "small"))


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalogue(tmp_path_factory.mktemp("music"), split=True)


@pytest.fixture(scope="module")
def evaluate(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory):
    """Runs the suite on a manifest, keeping embeddings from test to test."""
    work = tmp_path_factory.mktemp("work")
    with Decoder() as decoder:

        def run(
            manifest: Path, *, side: str | None = None, vocabulary: Vocabulary | None = None, **options
        ) -> Measured:
            files = {name: options.pop(name) for name in ("dim_sim", "triplet_files") if name in options}
            return evaluate_bundle(
                bundle,
                decoder,
                read_data(manifest, vocabulary or vocabulary_of(bundle), side=side),
                work=work,
                settings=SuiteSettings(**(QUICK | options)),
                **files,
            )

        yield run


@pytest.fixture(scope="module")
def perfect(evaluate: Evaluate, music: Path) -> Measured:
    return evaluate(music)


def value(evaluation: Evaluation, task: Task, metric: str, **attributes) -> float:
    figure = evaluation.find(task, metric, **attributes)
    assert figure is not None, (task, metric, attributes)
    return figure.value


def key(figure: Figure) -> tuple:
    return tuple(value for name, value in figure if name not in ("value", "low", "high", "chance", "n"))


@pytest.mark.parametrize("dimension", ["timbre", "groove"])
def test_an_embedding_that_hears_everything_scores_one(perfect: Measured, dimension: str) -> None:
    found = perfect.evaluation
    own = {"notion": dimension, "subspace": dimension}
    assert value(found, Task.RETRIEVAL, "R@1") == 1
    assert value(found, Task.RETRIEVAL, "R@1", **own) == 1
    assert value(found, Task.TAG_TRIPLETS, "accuracy", **own) == 1
    assert value(found, Task.FACTOR_TRIPLETS, "accuracy", variant="hard", **own) == 1
    for variant in ("model", "prototypes"):
        for metric in ("roc_auc", "pr_auc"):
            assert value(found, Task.TAGGING, metric, variant=variant) == 1
            assert value(found, Task.TAGGING, metric, variant=variant, notion=dimension) == 1
    assert value(found, Task.TAGGING, "roc_auc", variant="prototypes", **own) == 1


def test_probabilities_are_held_against_the_labels_and_said_not_to_be_calibrated(perfect: Measured) -> None:
    found = perfect.evaluation
    of_tags = {each.tag for each in found.figures if each.task is Task.CALIBRATION and each.tag is not None}
    assert set(found.reliability) == of_tags == {each.tag for each in found.figures if each.tag is not None}
    for tag, bins in found.reliability.items():
        column = perfect.tracks.tags.index(tag)
        assert sum(each.n for each in bins) == len(perfect.tracks)
        carriers = sum(each.n * each.share for each in bins)
        assert carriers == pytest.approx(perfect.tracks.labels[:, column].sum())
        figure = found.find(Task.CALIBRATION, "brier_score", tag=tag, notion=perfect.tracks.notions[column])
        assert figure is not None
        scores, labels = perfect.tracks.tag_scores[:, column], perfect.tracks.labels[:, column]
        assert figure.value == pytest.approx(np.mean((scores - labels) ** 2), abs=1e-6)
    assert any("5 of the bundle's 5 tags were not calibrated" in note for note in perfect.notes)


def test_a_sub_space_that_hears_its_own_dimension_alone_knows_nothing_of_the_other(perfect: Measured) -> None:
    for notion, subspace in (("timbre", "groove"), ("groove", "timbre")):
        leak = value(perfect.evaluation, Task.TAG_TRIPLETS, "accuracy", notion=notion, subspace=subspace)
        assert leak == pytest.approx(0.5, abs=0.12)
        # Two pieces that differ in the notion alone sound the same to the other sub-space.
        pair = value(perfect.evaluation, Task.FACTOR_PAIRS, "share_closer", notion=notion, subspace=subspace)
        assert pair > value(perfect.evaluation, Task.FACTOR_PAIRS, "share_closer", notion=notion, subspace=notion)


def test_an_embedding_of_noise_scores_what_chance_does(evaluate: Evaluate, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 60
    for number in range(n):
        write_noise(tmp_path / f"{number}.wav", seconds=1.1, seed=number)
    tags = [(str(rng.choice(["warm", "dry", "hollow"])), str(rng.choice(["swung", "straight"]))) for _ in range(n)]
    manifest = Manifest.of(
        tmp_path,
        path=[f"{number}.wav" for number in range(n)],
        track_id=[str(number) for number in range(n)],
        tags=tags,
    )
    write_manifest(manifest, tmp_path / "noise.csv")
    found = evaluate(tmp_path / "noise.csv", resamples=300).evaluation
    asked = [
        figure
        for figure in found.figures
        # Scores that know nothing may be worse than always giving the share of carriers.
        if figure.task not in (Task.HUBNESS, Task.CALIBRATION) and figure.tag is None and figure.subspace is None
    ]
    assert {figure.task for figure in asked} >= {Task.RETRIEVAL, Task.TAGGING, Task.TAG_TRIPLETS, Task.TRACK_TRIPLETS}
    for figure in asked:
        assert figure.low is not None
        assert figure.high is not None
        # Twice the interval: some twenty figures are asked at once.
        spread = figure.high - figure.low
        assert figure.low - spread / 2 <= figure.chance <= figure.high + spread / 2, figure.name


def test_no_two_figures_have_the_same_name(evaluate: Evaluate, music: Path) -> None:
    found = evaluate(music, similarities=tuple(Similarity)).evaluation
    assert len({figure.name for figure in found.figures}) == len(found.figures)
    assert {figure.similarity for figure in found.figures} == {*Similarity, None}


def test_every_figure_is_there_again_after_every_condition(evaluate: Evaluate, music: Path) -> None:
    chosen = tuple(CONDITIONS.values())[:2]
    found = evaluate(music, conditions=chosen).evaluation
    recorded = {key(figure.model_copy(update={"condition": ""})) for figure in found.figures if figure.tag is None}
    for condition in (AS_RECORDED, *(each.name for each in chosen)):
        there = [figure for figure in found.figures if figure.condition == condition and figure.tag is None]
        assert {key(figure.model_copy(update={"condition": ""})) for figure in there} == recorded
    gain = value(found, Task.TAG_TRIPLETS, "accuracy", condition="a gain of +6 dB", notion="groove", subspace="groove")
    assert gain == 1


def test_a_bundle_that_hears_tones_is_deaf_after_a_change_of_pitch(evaluate: Evaluate, music: Path) -> None:
    found = evaluate(music, conditions=(CONDITIONS["a pitch shift of +1 semitone"],)).evaluation
    own = {"notion": "groove", "subspace": "groove"}
    assert value(found, Task.TAG_TRIPLETS, "accuracy", **own) == 1
    assert value(found, Task.TAG_TRIPLETS, "accuracy", condition="a pitch shift of +1 semitone", **own) < 0.9


def test_the_same_seed_gives_the_same_figures(evaluate: Evaluate, music: Path, perfect: Measured) -> None:
    assert evaluate(music).evaluation == perfect.evaluation
    assert evaluate(music, seed=1).evaluation.figures != perfect.evaluation.figures


def test_another_measure_changes_none_of_the_others(evaluate: Evaluate, music: Path, perfect: Measured) -> None:
    more = evaluate(
        music, similarities=(Similarity.DOT, Similarity.COSINE), conditions=(CONDITIONS["a gain of +6 dB"],)
    )
    by_key = {key(figure): figure for figure in more.evaluation.figures}
    assert [by_key[key(figure)] for figure in perfect.evaluation.figures] == list(perfect.evaluation.figures)
    assert len(by_key) > 2 * len(perfect.evaluation.figures) - 20


def test_the_test_side_is_asked_about_and_the_training_side_makes_prototypes(perfect: Measured) -> None:
    data = perfect.evaluation.data
    assert (data["side"], data["tracks"], data["training_rows"]) == ("test", 18, 18)
    assert perfect.tracks.track_ids[0] == "warm-swung-3"


@pytest.mark.parametrize(("side", "tracks"), [("train", 18), ("all", 36)])
def test_prototypes_are_left_out_where_they_would_be_made_of_what_is_asked(
    evaluate: Evaluate, music: Path, side: str, tracks: int
) -> None:
    found = evaluate(music, side=side)
    assert found.evaluation.data["tracks"] == tracks
    assert found.evaluation.find(Task.TAGGING, "roc_auc", variant="prototypes") is None
    assert found.evaluation.find(Task.TAGGING, "roc_auc", variant="model") is not None
    assert any(note.startswith("tagging by prototypes: left out") for note in found.notes)
    assert list(found.notes) == found.evaluation.data["notes"]


def test_a_manifest_without_sides_is_asked_about_as_a_whole(evaluate: Evaluate, tmp_path: Path) -> None:
    data = evaluate(write_catalogue(tmp_path, split=False, copies=2)).evaluation.data
    assert (data["side"], data["tracks"]) == ("all", 12)


def test_a_side_without_rows_is_told(evaluate: Evaluate, music: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no row on side 'valid' \(train 18, valid 0, test 18, all 36\)"):
        evaluate(music, side="valid")


def feel(*tags: str) -> Vocabulary:
    return Vocabulary(
        name="feel", source="feel", dimensions=("feel",), tags=tuple(VocabularyTag(tag, "feel") for tag in tags)
    )


def test_a_dimension_that_the_bundle_does_not_have_is_asked_of_the_complete_space(
    evaluate: Evaluate, music: Path
) -> None:
    found = evaluate(music, vocabulary=feel("swung", "loud")).evaluation
    assert found.data["tags_not_in_vocabulary"] == 4
    assert value(found, Task.TAG_TRIPLETS, "accuracy", notion="feel") > 0.6
    assert value(found, Task.TAGGING, "roc_auc", variant="model", notion="feel") == 1
    assert any("1 of 2 tags left out" in str(note) and "loud" in str(note) for note in found.data["notes"])
    assert any("no sub-space for feel" in str(note) for note in found.data["notes"])


def test_without_a_label_only_what_needs_none_is_asked(evaluate: Evaluate, music: Path) -> None:
    found = evaluate(music, vocabulary=feel("loud", "quiet")).evaluation
    assert {figure.task for figure in found.figures} == {Task.TRACK_TRIPLETS, Task.HUBNESS, Task.ARTISTS}
    assert any("no track has a tag of the vocabulary" in str(note) for note in found.data["notes"])


def test_without_a_label_training_tracks_are_not_even_heard(bundle: ModelBundle, music: Path, tmp_path: Path) -> None:
    heard: set[str] = set()
    with Decoder() as decoder:
        for vocabulary in (feel("loud"), vocabulary_of(bundle)):
            data = read_data(music, vocabulary)
            assert data.taught is not None
            settings = SuiteSettings(**QUICK)
            evaluate_bundle(
                bundle, decoder, data, work=tmp_path, settings=settings, watch=lambda what, *_: heard.add(what)
            )
            assert heard == ({"tracks"} if vocabulary.name == "feel" else {"tracks", "training tracks"})


def test_a_bundle_agrees_with_itself_and_less_with_one_that_hears_other_tones(
    bundle: ModelBundle, music: Path, tmp_path: Path
) -> None:
    other = ModelBundle.open(write_bundle(tmp_path / "other", name="other", order=(1, 2, 0, 4, 3)))
    with Decoder() as decoder:
        with_itself, with_other = (
            evaluate_bundle(
                bundle,
                decoder,
                read_data(music, vocabulary_of(bundle), side="all"),
                work=tmp_path / "work",
                settings=SuiteSettings(**QUICK),
                reference=reference,
            ).evaluation
            for reference in (bundle, other)
        )
    top = {"metric": "roc_auc", "variant": "probabilities, top 5 %"}
    assert value(with_itself, Task.AGREEMENT, **top) == 1
    # Half of the music is of each groove, a third of each timbre: a score above one half tells it.
    assert value(with_itself, Task.AGREEMENT, "roc_auc", variant="proxies, above 0.5, own sub-spaces") == 1
    assert value(with_itself, Task.AGREEMENT, "rank_correlation", variant="probabilities") == pytest.approx(1)
    assert value(with_other, Task.AGREEMENT, **top) < 0.6
    assert with_itself.settings["agreement_with"] == f"small {bundle.encoder_id}"
    assert with_other.settings["agreement_with"] == f"other {other.encoder_id}"


def test_stretches_and_albums_are_asked_where_the_data_have_them(evaluate: Evaluate, tmp_path: Path) -> None:
    for number in range(4):
        write_noise(tmp_path / f"{number}.wav", seconds=33.0 if number else 5.0, seed=number)
    manifest = Manifest.of(
        tmp_path,
        path=[f"{number}.wav" for number in range(4)],
        track_id=[str(number) for number in range(4)],
        artist=["a", "a", "b", "b"],
        album=["x", "x", "x", "y"],
    )
    write_manifest(manifest, tmp_path / "noise.csv")
    found = evaluate(tmp_path / "noise.csv").evaluation
    variants = {figure.variant for figure in found.figures if figure.task is Task.TRACK_TRIPLETS}
    assert variants == {None, "within 30 s", "same album"}
    variants = {figure.variant for figure in found.figures if figure.task is Task.ARTISTS}
    assert variants == {None, "among the album", "without the album"}
    short = evaluate(tmp_path / "noise.csv", excerpts_per_track=1).evaluation
    notes = [str(note) for note in short.data["notes"]]
    assert any(note.startswith("track triplets, within 30 s: no track has excerpts from more than") for note in notes)
    assert any(note.startswith("track triplets, same album: track triplets need two excerpts") for note in notes)


def test_capitals_may_be_ignored(bundle: ModelBundle, tmp_path: Path) -> None:
    manifest = Manifest.of(tmp_path, path=["a", "b"], track_id=["a", "b"], tags=[("Warm",), ("swung", "DRY")])
    write_manifest(manifest, tmp_path / "manifest.csv")
    for case, known in ((TagCase.EXACT, 1), (TagCase.IGNORE, 3)):
        data = read_data(tmp_path / "manifest.csv", vocabulary_of(bundle), case=case)
        assert data.labels.matrix.sum() == known
        assert data.described()["tags_not_in_vocabulary"] == 3 - known


def test_triplets_that_were_written_are_asked_again(
    evaluate: Evaluate, music: Path, perfect: Measured, tmp_path
) -> None:
    of_tags = [each for each in perfect.triplets if each.notion is not None]
    of_tracks = [each for each in perfect.triplets if each.notion is None]
    assert [each.variant for each in of_tracks] == [None]
    write_triplets(of_tags, perfect.tracks, tmp_path / "tags.csv")
    write_triplets(of_tracks, perfect.tracks, tmp_path / "tracks.csv")
    found = evaluate(music, seed=7, triplet_files=(tmp_path / "tags.csv", tmp_path / "tracks.csv"))
    for task in (Task.TAG_TRIPLETS, Task.TRACK_TRIPLETS):
        expected = {key(each): each.value for each in perfect.evaluation.figures if each.task is task}
        assert {key(each): each.value for each in found.evaluation.figures if each.task is task} == expected
        assert expected


def dim_sim_file(path: Path, rows: list[tuple[str, str, str, int, int]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["triplet_id"]
            + [f"{role}_{what}" for role in ("anchor", "song1", "song2") for what in ("id", "start_seconds")]
            + ["clip_lengths_seconds", "song1_vote", "song2_vote"]
        )
        for number, (anchor, song1, song2, *votes) in enumerate(rows):
            writer.writerow([number, anchor, 0.5, song1, 0.1, song2, 1.0, 0.5, *votes])
    return path


def test_listeners_are_asked_about_clips_of_any_side(evaluate: Evaluate, music: Path, tmp_path: Path) -> None:
    rows = [
        ("warm-swung-0", "warm-swung-4", "dry-straight-1", 1, 0),
        ("dry-swung-0", "hollow-straight-1", "dry-swung-5", 0, 1),
        ("dry-swung-0", "hollow-straight-1", "dry-swung-5", 1, 0),
        ("dry-swung-0", "not here", "dry-swung-5", 1, 0),
    ]
    clean = dim_sim_file(tmp_path / "clean.csv", rows)
    raw = dim_sim_file(tmp_path / "raw.csv", [(*row[:3], 3 * row[3] + 1, 3 * row[4] + 1) for row in rows])
    weights = {"timbre": 1.0}
    found = evaluate(music, dim_sim=(clean, raw), weights=weights, conditions=(CONDITIONS["a gain of -6 dB"],))
    for variant in ("clean", "raw", "clean, weights timbre 1"):
        for condition in (AS_RECORDED, "a gain of -6 dB"):
            figure = found.evaluation.find(Task.DIM_SIM, "accuracy", variant=variant, condition=condition)
            assert figure is not None
            assert (figure.value, figure.n) == (pytest.approx(2 / 3), 3)
    assert "Dim-Sim: 1 of 7 clips have no audio here" in found.notes
    with pytest.raises(EvaluationError, match="second file of clean"):
        evaluate(music, dim_sim=(clean, clean))


def test_listeners_who_heard_other_tracks_are_noted(evaluate: Evaluate, music: Path, tmp_path: Path) -> None:
    clean = dim_sim_file(tmp_path / "clean.csv", [("x", "y", "z", 1, 0)])
    found = evaluate(music, dim_sim=(clean,))
    assert any("none of its 3 clips is of a track" in note for note in found.notes)


def test_audio_that_cannot_be_heard_is_counted_by_code(evaluate: Evaluate, tmp_path: Path) -> None:
    path = write_catalogue(tmp_path, split=False, copies=2)
    (tmp_path / "warm-swung-0.wav").unlink()
    (tmp_path / "dry-swung-0.wav").write_text("text")
    found = evaluate(path).evaluation
    assert found.data["left_out"] == {"missing": 1, "not_audio": 1}
    assert (found.data["rows"], found.data["tracks"]) == (12, 10)


def test_rows_that_cannot_be_heard_are_noted_of_the_training_side_and_after_a_change(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    path = write_catalogue(tmp_path, split=True)
    (tmp_path / "warm-swung-0.wav").unlink()
    is_lost = chain([True], repeat(False))

    def one_lost(waveform: Samples, _: int, __: np.random.Generator) -> Samples:
        if next(is_lost):
            raise AudioError(AudioErrorCode.SILENT, "nothing is left")
        return waveform

    found = evaluate(path, conditions=(Condition("the loss of one", one_lost),))
    assert "training tracks: 1 rows left out, missing 1" in found.notes
    assert "after the loss of one: tracks: 1 rows left out, silent 1" in found.notes
    assert not any(note.startswith("after the loss of one: training") for note in found.notes)


def test_data_that_nothing_can_be_asked_of_are_an_error(evaluate: Evaluate, tmp_path: Path) -> None:
    write_noise(tmp_path / "one.wav", seconds=1.0, seed=0)
    manifest = Manifest.of(tmp_path, path=["one.wav"], track_id=["one"])
    write_manifest(manifest, tmp_path / "one.csv")
    with pytest.raises(EvaluationError, match="nothing could be measured: "):
        evaluate(tmp_path / "one.csv")


def test_an_evaluation_says_what_it_is_of(perfect: Measured, bundle: ModelBundle, music: Path) -> None:
    found = perfect.evaluation
    assert (found.bundle, found.encoder_id, found.dimensions) == ("small", bundle.encoder_id, ("timbre", "groove"))
    assert found.recipe == {"loss": "none"}
    assert found.data["excerpts"] == 3 * 18
    assert found.data["vocabulary"] == "small"
    assert found.settings["triplets"] == 400
    assert len(read_manifest(music)) == 36
