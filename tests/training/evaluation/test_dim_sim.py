"""Dim-Sim, on made-up files in its published form."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.subspaces import UnknownDimensionError, Vectors
from tests.training.evaluation.made_up_tracks import NOTIONS, subspaces_of_widths
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.dim_sim import Clip, RatedTriplet, dim_sim_clips, dim_sim_figures, read_dim_sim
from training.evaluation.evaluation import EvaluationError, Similarity

SETTINGS = Bootstrap(resamples=100)
SUBSPACES = subspaces_of_widths((5, 8, 4))


def _rows(n: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """As published: starts and lengths in seconds and in samples."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        row: dict[str, Any] = {"triplet_id": number}
        for role in ("anchor", "song1", "song2"):
            start = int(rng.integers(0, 27))
            row |= {f"{role}_id": f"TR{rng.integers(200):016d}"}
            row |= {f"{role}_start_seconds": start, f"{role}_start_samples": 22050 * start}
        row |= {"sampling_rate": 22050, "clip_lengths_seconds": 3, "clip_lengths_samples": 66150}
        votes = int(rng.integers(5, 13))
        row["song1_vote"] = int(rng.integers(0, votes + 1))
        row["song2_vote"] = votes - row["song1_vote"]
        rows.append(row)
    return rows


def _write(rows: list[dict[str, Any]], path: Path, form: str) -> None:
    if form == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return
    by_number = {str(number): row for number, row in enumerate(rows)}
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns_by_number = {name: {str(number): row[name] for number, row in enumerate(rows)} for name in rows[0]}
    content = {"rows": rows, "rows by number": by_number, "columns": columns, "columns by number": columns_by_number}
    path.write_text(json.dumps(content[form]), encoding="utf-8")


def _embeddings(triplets: tuple[RatedTriplet, ...], seed: int = 0) -> dict[Clip, Vectors]:
    rng = np.random.default_rng(seed)
    return {clip: rng.standard_normal(SUBSPACES.width).astype(np.float32) for clip in dim_sim_clips(triplets)}


def _cosine(a: Vectors, b: Vectors) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("form", ["rows", "rows by number", "columns", "columns by number"])
def test_csv_and_json_of_every_form_say_the_same(tmp_path: Path, form: str) -> None:
    _write(_rows(), tmp_path / "raw-dim-sim.csv", "csv")
    _write(_rows(), tmp_path / "raw-dim-sim.json", form)
    assert read_dim_sim(tmp_path / "raw-dim-sim.csv") == read_dim_sim(tmp_path / "raw-dim-sim.json")


def test_agreement_is_the_majoritys_share_of_the_votes(tmp_path: Path) -> None:
    rows, path = _rows(400), tmp_path / "raw-dim-sim.csv"
    _write(rows, path, "csv")
    majority = [max(row["song1_vote"], row["song2_vote"]) / (row["song1_vote"] + row["song2_vote"]) for row in rows]
    for least in (0.0, 0.6, 0.9, 1.0):
        kept = [row for row, share in zip(rows, majority, strict=True) if share > 0.5 and share >= least]
        assert [each.triplet_id for each in read_dim_sim(path, agreement=least)] == [
            str(row["triplet_id"]) for row in kept
        ]
    clean = [row | {"song1_vote": int(row["song1_vote"] > row["song2_vote"])} for row in rows]
    clean = [row | {"song2_vote": 1 - row["song1_vote"]} for row in clean]
    _write(clean, path, "csv")
    assert {each.agreement for each in read_dim_sim(path, agreement=0.9)} == {1.0}


def test_clips_are_what_the_triplets_name_once_each(tmp_path: Path) -> None:
    rows = _rows(30)
    rows[1]["anchor_id"], rows[1]["anchor_start_seconds"] = rows[0]["song1_id"], rows[0]["song1_start_seconds"]
    _write(rows, tmp_path / "raw.csv", "csv")
    triplets = read_dim_sim(tmp_path / "raw.csv")
    clips = dim_sim_clips(triplets)
    assert list(clips) == sorted(set(clips))
    assert set(clips) == {clip for each in triplets for clip in (each.anchor, each.song1, each.song2)}
    assert {clip.seconds for clip in clips} == {3.0}


def test_accuracy_is_that_of_a_slow_loop(tmp_path: Path) -> None:
    _write(_rows(120), tmp_path / "raw.csv", "csv")
    triplets = read_dim_sim(tmp_path / "raw.csv")
    embeddings = _embeddings(triplets)
    weights = {NOTIONS[0]: 2.0, NOTIONS[2]: -0.5}
    figures = dim_sim_figures(triplets, embeddings, SUBSPACES, variant="raw", weights=weights, settings=SETTINGS)
    cases: list[tuple[str | None, str, dict[str, float]]] = [(None, "raw", dict.fromkeys(NOTIONS, 1.0))]
    cases += [(notion, "raw", {notion: 1.0}) for notion in NOTIONS]
    cases += [(None, "raw, weights klang farbe 2, room -0.5", weights)]
    for figure, (subspace, variant, of_dimension) in zip(figures, cases, strict=True):
        right = []
        for each in triplets:
            margin = 0.0
            for dimension, weight in of_dimension.items():
                anchor, song1, song2 = (
                    embeddings[clip][SUBSPACES[dimension].slice] for clip in (each.anchor, each.song1, each.song2)
                )
                margin += weight * (_cosine(anchor, song1) - _cosine(anchor, song2))
            right.append((margin > 0) == (each.song1_vote > each.song2_vote))
        assert (figure.subspace, figure.variant, figure.n) == (subspace, variant, len(triplets))
        assert figure.value == pytest.approx(np.mean(right))
        assert figure.low < figure.value < figure.high  # type: ignore[operator]


def test_perfect_embeddings_agree_with_everybody_and_random_ones_with_half(tmp_path: Path) -> None:
    rows = _rows(300)
    for number, row in enumerate(rows):
        row |= {f"{role}_id": f"TR{role}{number}" for role in ("anchor", "song1", "song2")}
    _write(rows, tmp_path / "raw.csv", "csv")
    triplets = read_dim_sim(tmp_path / "raw.csv")
    embeddings = _embeddings(triplets)
    (random, *_) = dim_sim_figures(triplets, embeddings, SUBSPACES, variant="raw", settings=SETTINGS)
    assert random.low <= 0.5 <= random.high  # type: ignore[operator]
    for each in triplets:
        embeddings[each.song1 if each.song1_vote > each.song2_vote else each.song2] = 3 * embeddings[each.anchor]
    figures = dim_sim_figures(triplets, embeddings, SUBSPACES, variant="raw", settings=SETTINGS)
    assert [each.value for each in figures] == [1.0] * 4
    # By dot product it is the length that decides; by distance, that three times the anchor is not the anchor.
    (other, *_) = dim_sim_figures(
        triplets, embeddings, SUBSPACES, variant="raw", similarity=Similarity.EUCLIDEAN, settings=SETTINGS
    )
    assert other.value < 1.0


def test_triplets_without_their_audio_are_left_out(tmp_path: Path) -> None:
    _write(_rows(40), tmp_path / "raw.csv", "csv")
    triplets = read_dim_sim(tmp_path / "raw.csv")
    embeddings = _embeddings(triplets)
    del embeddings[triplets[0].song2]
    at_hand = [each for each in triplets if {each.anchor, each.song1, each.song2} <= embeddings.keys()]
    (figure, *_) = dim_sim_figures(triplets, embeddings, SUBSPACES, variant="raw", settings=SETTINGS)
    assert figure.n == len(at_hand) < len(triplets)
    with pytest.raises(EvaluationError, match="has the audio of all its clips"):
        dim_sim_figures(triplets, {}, SUBSPACES, variant="raw", settings=SETTINGS)


def test_a_weight_of_no_dimension_is_refused(tmp_path: Path) -> None:
    _write(_rows(5), tmp_path / "raw.csv", "csv")
    triplets = read_dim_sim(tmp_path / "raw.csv")
    with pytest.raises(UnknownDimensionError, match="tempo"):
        dim_sim_figures(
            triplets, _embeddings(triplets), SUBSPACES, variant="raw", weights={"tempo": 1.0}, settings=SETTINGS
        )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "triplet_id,anchor_id\n1,TR1\n", "row 1, column 'anchor_start_seconds': Field required"),
        ("a.json", '[{"triplet_id": 1, "anchor_id": ""}]', "row 1, column 'anchor_id'"),
        ("a.json", "{", "is not what its ending says"),
        ("a.json", "3", "expected a list or an object"),
        ("a.json", '{"anchor_id": "TR1", "song1_id": "TR2"}', "columns of equal length"),
        ("a.csv", "", "of 0 triplets, none has an agreement"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        read_dim_sim(tmp_path / name)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="does not exist"):
        read_dim_sim(tmp_path / "clean-dim-sim.csv")
