import os
import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path

import av
import pytest

from training.datasets.accompanied.band import PlayingError, Tools, find_tools
from training.datasets.accompanied.studios import ERAS
from training.datasets.accompanied_set import accompany_set, plan_accompaniments
from training.datasets.gathering import DatasetLayoutError
from training.datasets.manifest import Split
from training.datasets.rendered.factors import VALUES

MMA = os.environ.get("FACET_MMA") or shutil.which("mma")
SOUNDFONT = Path(os.environ.get("FACET_TIMGM6MB", "/usr/share/sounds/sf2/TimGM6mb.sf2"))
CAN_PLAY = bool(MMA and shutil.which("fluidsynth") and SOUNDFONT.is_file())
NOTHING = Tools(mma=Path("/none/mma"), fluidsynth=Path("/none/fluidsynth"), soundfont=Path("/none.sf2"))


@pytest.mark.parametrize("pieces", [1, 7, 60, 601])
def test_every_value_and_every_sheet_comes_equally_often(pieces):
    planned = list(plan_accompaniments(pieces, sheets=min(pieces, 7), seed=4))
    columns = {factor: [getattr(piece.factors, factor) for piece in planned] for factor in VALUES}
    for factor, values in VALUES.items():
        counts = Counter(columns[factor])
        assert max(counts.values()) - min(counts[value] for value in values) <= 1
    sheets = Counter(piece.sheet for piece in planned)
    assert max(sheets.values()) - min(sheets.values()) <= 1


def test_factors_do_not_depend_on_each_other_or_on_the_sheet():
    planned = list(plan_accompaniments(6000, sheets=5, seed=4))
    columns = {factor: [getattr(piece.factors, factor) for piece in planned] for factor in VALUES}
    columns["sheet"] = [piece.sheet for piece in planned]
    for one, other in combinations(columns.values(), 2):
        pairs = Counter(zip(one, other, strict=True))
        expected = len(planned) / len(set(one)) / len(set(other))
        # Pearson's statistic is about its degrees of freedom, 20 at most here, give or take 2 sqrt(2 * 20) = 13.
        statistic = sum((pairs[pair] - expected) ** 2 / expected for pair in pairs)
        assert statistic < 20 + 2 * 13


def test_the_year_lies_in_the_era_and_names_are_unique():
    planned = list(plan_accompaniments(100, sheets=10, seed=0))
    for piece in planned:
        first, last = ERAS[piece.factors.era].years
        assert first <= piece.year <= last
    assert len({piece.name for piece in planned}) == 100
    assert planned == list(plan_accompaniments(100, sheets=10, seed=0))
    assert not {piece.name for piece in planned} & {piece.name for piece in plan_accompaniments(100, sheets=10, seed=1)}


def test_what_is_there_already_is_kept(tmp_path):
    (tmp_path / "audio").mkdir()
    planned = list(plan_accompaniments(12, sheets=3, seed=0))
    for piece in planned:
        (tmp_path / "audio" / f"{piece.name}.mp3").write_bytes(piece.name.encode())
    seen = []
    manifest = accompany_set(tmp_path, NOTHING, pieces=12, sheets=3, seed=0, on_piece=lambda: seen.append(1)).manifest
    assert len(seen) == 12
    assert [manifest.audio(row).read_text() for row in range(12)] == [piece.name for piece in planned]
    assert list(manifest.tags) == [piece.factors.tags for piece in planned]
    assert Counter(manifest.artist) == {f"sheet {sheet}, seed 0": 4 for sheet in range(3)}
    assert len(manifest.on(Split.TEST)) == 12


def test_a_set_that_cannot_be_is_refused_and_a_band_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(DatasetLayoutError, match="3 pieces over 4 chord sheets cannot be"):
        accompany_set(tmp_path, NOTHING, pieces=3, sheets=4, seed=0)
    with pytest.raises(PlayingError, match="mma gave up"):
        accompany_set(tmp_path, NOTHING, pieces=1, sheets=1, seed=0)
    assert not list((tmp_path / "audio").iterdir())


@pytest.mark.skipif(
    not CAN_PLAY,
    reason="needs mma (or FACET_MMA), fluidsynth and TimGM6mb.sf2 (or FACET_TIMGM6MB); Debian packages all three",
)
def test_pieces_are_rendered_the_same_by_one_process_and_by_two(tmp_path):
    tools = find_tools(mma=Path(MMA), fluidsynth=None, soundfont=SOUNDFONT)
    files = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        manifest = accompany_set(folder, tools, pieces=2, sheets=2, seed=0, processes=processes).manifest
        files.append([manifest.audio(row).read_bytes() for row in range(2)])
        assert not list((folder / "audio").glob(".*"))
    assert files[0] == files[1]
    with av.open(str(manifest.audio(0))) as container:
        assert 10 < container.duration / av.time_base < 20
