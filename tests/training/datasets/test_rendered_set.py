import os
from collections import Counter
from itertools import combinations
from pathlib import Path

import av
import pytest

from training.datasets.gathering import DatasetLayoutError
from training.datasets.rendered.eras import ERAS
from training.datasets.rendered.factors import VALUES
from training.datasets.rendered.synthesis import SoundfontMismatchError
from training.datasets.rendered_set import plan_pieces, render_set
from training.vocabulary import SHIPPED, read_vocabulary


@pytest.mark.parametrize("pieces", [1, 7, 60, 601])
def test_every_value_of_a_factor_comes_equally_often(pieces):
    planned = list(plan_pieces(pieces, tunes=min(pieces, 7), seed=4))
    for factor, values in VALUES.items():
        counts = Counter(getattr(piece.factors, factor) for piece in planned)
        assert max(counts.values()) - min(counts[value] for value in values) <= 1
    tunes = Counter(piece.tune for piece in planned)
    assert max(tunes.values()) - min(tunes.values()) <= 1


def test_factors_do_not_depend_on_each_other_or_on_the_tune():
    planned = list(plan_pieces(6000, tunes=5, seed=4))
    columns = {factor: [getattr(piece.factors, factor) for piece in planned] for factor in VALUES}
    columns["tune"] = [piece.tune for piece in planned]
    for one, other in combinations(columns.values(), 2):
        pairs = Counter(zip(one, other, strict=True))
        expected = len(planned) / len(set(one)) / len(set(other))
        # Pearson's statistic is about its degrees of freedom, 20 at most here, give or take 2 sqrt(2 * 20) = 13.
        statistic = sum((pairs[pair] - expected) ** 2 / expected for pair in pairs)
        assert statistic < 20 + 2 * 13


def test_a_name_says_all_that_a_pieces_sound_depends_on():
    one, same = list(plan_pieces(40, tunes=4, seed=1)), list(plan_pieces(40, tunes=4, seed=1))
    other = list(plan_pieces(60, tunes=3, seed=1)) + list(plan_pieces(40, tunes=4, seed=2))
    assert one == same
    by_name = {piece.name: (piece.tune_seed, piece.studio_seed, piece.factors) for piece in one}
    assert len(by_name) == 40
    for piece in other:
        assert by_name.get(piece.name, (piece.tune_seed, piece.studio_seed, piece.factors)) == (
            piece.tune_seed,
            piece.studio_seed,
            piece.factors,
        )


def test_the_year_lies_in_the_era():
    for piece in plan_pieces(100, tunes=10, seed=0):
        first, last = ERAS[piece.factors.era].years
        assert first <= piece.year <= last


def test_the_vocabulary_is_the_factors_values():
    vocabulary = read_vocabulary(SHIPPED / "rendered.toml")
    assert vocabulary.dimensions == tuple(VALUES)
    for dimension, values in VALUES.items():
        assert tuple(vocabulary.tags[position].name for position in vocabulary.positions(dimension)) == values


def test_what_is_there_already_is_kept(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "any.sf2").touch()
    planned = list(plan_pieces(12, tunes=3, seed=0))
    for piece in planned:
        (tmp_path / "audio" / f"{piece.name}.mp3").write_bytes(piece.name.encode())
    seen = []
    gathered = render_set(tmp_path, tmp_path / "any.sf2", pieces=12, tunes=3, seed=0, on_piece=lambda: seen.append(1))
    assert len(seen) == 12
    manifest = gathered.manifest
    assert [manifest.audio(row).read_text() for row in range(12)] == [piece.name for piece in planned]
    assert list(manifest.tags) == [piece.factors.tags for piece in planned]
    assert Counter(manifest.artist) == {f"tune {tune}, seed 0": 4 for tune in range(3)}


def test_a_set_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(DatasetLayoutError, match="take FluidR3_GM.sf2".replace(".", r"\.")):
        render_set(tmp_path, tmp_path / "none.sf2", pieces=3, tunes=1, seed=0)
    (tmp_path / "other.sf2").write_bytes(b"RIFF")
    with pytest.raises(DatasetLayoutError, match="3 pieces of 4 tunes cannot be"):
        render_set(tmp_path, tmp_path / "other.sf2", pieces=3, tunes=4, seed=0)
    with pytest.raises(SoundfontMismatchError):
        render_set(tmp_path, tmp_path / "other.sf2", pieces=3, tunes=1, seed=0)


@pytest.mark.skipif("FACET_SOUNDFONT" not in os.environ, reason="FACET_SOUNDFONT names no FluidR3_GM.sf2")
def test_pieces_are_rendered_the_same_by_one_process_and_by_two(tmp_path):
    soundfont, files = Path(os.environ["FACET_SOUNDFONT"]), []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        manifest = render_set(folder, soundfont, pieces=4, tunes=2, seed=0, processes=processes).manifest
        files.append([manifest.audio(row).read_bytes() for row in range(4)])
        assert not list((folder / "audio").glob(".*"))
    assert files[0] == files[1]
    with av.open(str(manifest.audio(0))) as container:
        assert container.duration / av.time_base > 10
