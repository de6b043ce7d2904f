"""The map in the browser: points that can be seen, named, heard and caught, and that gather by dimension."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from service.catalogue.repository import Catalogue
from service.settings import SHIPPED, Settings
from tests.service.http.running import ingested
from tests.web.conftest import served

Opened = Callable[..., Page]
# Where the points are on the screen, told by the page's own modules.
PLACES = """async () => {
  const { loadMap } = await import('/web/js/map_data.js');
  const { known } = await import('/web/js/catalogue.js');
  const data = await loadMap(null, known.dimensions);
  const within = new URLSearchParams(location.search).get('in');
  const points = await data.points(within);
  const box = document.getElementById('canvas').getBoundingClientRect();
  const scale = 0.92 * Math.min(box.width, box.height);
  return Array.from({length: data.count}, (_, i) => [
    box.left + box.width / 2 + (points[2 * i] - 0.5) * scale,
    box.top + box.height / 2 + (points[2 * i + 1] - 0.5) * scale]);
}"""


def settled(page: Page, space: str = "") -> list[list[float]]:
    page.wait_for_selector(f'#canvas[data-settled="{space}"]')
    places: list[list[float]] = page.evaluate(PLACES)
    return places


def test_every_track_is_a_point_in_a_colour(opened: Opened) -> None:
    page = opened("/?view=map")
    places = settled(page)
    assert len(places) == 48
    painted = page.evaluate(
        """(places) => {
          const canvas = document.getElementById('canvas');
          const box = canvas.getBoundingClientRect();
          const copy = document.createElement('canvas');
          copy.width = canvas.width; copy.height = canvas.height;
          const pen = copy.getContext('2d');
          pen.drawImage(canvas, 0, 0);
          return places.filter(([x, y]) => pen.getImageData(x - box.left, y - box.top, 1, 1).data[3] > 100).length;
        }""",
        places,
    )
    assert painted == 48
    assert page.locator("#map-legend li").count() > 1


def test_hovering_names_a_track_and_a_click_plays_it(opened: Opened) -> None:
    page = opened("/?view=map")
    places = settled(page)
    page.mouse.move(*places[5])
    expect(page.locator("#map-name")).to_contain_text(re.compile("Lanterns|Orchard"))
    named = page.inner_text("#map-name")
    page.mouse.click(*places[5])
    expect(page.locator("#now-title")).to_have_text(named.split(" · ")[0])
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")


def test_a_lasso_makes_a_playlist_of_what_lies_inside(opened: Opened) -> None:
    page = opened("/?view=map")
    places = np.array(settled(page))
    middle = float(np.median(places[:, 0])) + 0.5
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    left, top, bottom = box["x"] + 3, box["y"] + 3, box["y"] + box["height"] - 3
    page.click("text=Lasso a playlist")
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((middle, top), (middle, bottom), (left, bottom), (left, top)):
        page.mouse.move(*corner)
    page.mouse.up()
    expect(page.locator("#queue-count")).to_have_text(str(int((places[:, 0] < middle).sum())))
    expect(page.locator("#queue")).to_be_visible()


def next_towards(places: np.ndarray, here: int, arrow: tuple[int, int]) -> int:
    """By definition: the nearest point within 53 degrees of the arrow, whose cosine is 0.6; -1 if there is none."""
    gaps = places - places[here]
    lengths = np.hypot(*gaps.T)
    lies_there = (gaps @ np.array(arrow) > 0.6 * lengths) & (lengths > 0)
    return int(np.where(lies_there, lengths, np.inf).argmin()) if lies_there.any() else -1


def test_keys_alone_walk_the_map_and_play(opened: Opened) -> None:
    page = opened("/?view=map")
    places = np.array(settled(page))
    names: list[list[str]] = page.evaluate(
        """async () => {
          const { loadMap } = await import('/web/js/map_data.js');
          const { known, trackOf } = await import('/web/js/catalogue.js');
          const data = await loadMap(null, known.dimensions);
          const tracks = await Promise.all(Array.from({length: data.count}, (_, i) => trackOf(data.id(i))));
          return tracks.map((track) => [track.title, track.artist].filter(Boolean));
        }"""
    )
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    label = page.locator("#map-name")
    page.focus("#canvas")
    page.keyboard.press("ArrowRight")
    here = int(np.hypot(*(places - middle).T).argmin())
    expect(label).to_have_text(" · ".join(names[here]))
    arrows = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}
    walked = {here}

    def walk(*keys: str) -> None:
        nonlocal here
        for key in keys:
            page.keyboard.press(key)
            lead = next_towards(places, here, arrows[key])
            here = here if lead < 0 else lead
            walked.add(here)
            expect(label).to_have_text(" · ".join(names[here]))

    walk("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowUp")
    assert len(walked) > 1
    # Come close, the way leads out of the picture: the picture follows.
    for _ in range(12):
        page.keyboard.press("+")
    before = len(walked)
    walk(*["ArrowLeft"] * 4, *["ArrowDown"] * 4, *["ArrowRight"] * 4)
    assert len(walked) > before
    said = label.bounding_box()
    assert said is not None
    assert box["x"] <= said["x"] <= box["x"] + box["width"]
    assert box["y"] <= said["y"] <= box["y"] + box["height"]
    page.keyboard.press("Enter")
    expect(page.locator("#now-title")).to_have_text(names[here][0])


def test_the_choices_above_the_map_keep_the_focus_and_the_lasso(opened: Opened) -> None:
    page = opened("/?view=map")
    settled(page)
    page.click("text=Lasso a playlist")
    page.focus("input[name=space]:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('#canvas[data-settled]:not([data-settled=""])')
    assert page.evaluate("document.activeElement.matches('input[name=space]:checked')")
    assert page.input_value("input[name=space]:checked") == page.get_attribute("#canvas", "data-settled")
    expect(page.locator("text=Lasso a playlist")).to_have_attribute("aria-pressed", "true")


def test_from_all_dimensions_to_one_scattered_points_gather(opened: Opened) -> None:
    """The poster's figure: tracks of one tag of a dimension lie closer together in that dimension's map."""
    page = opened("/?view=map")
    settled(page)
    spreads = page.evaluate(
        """async () => {
          const { loadMap } = await import('/web/js/map_data.js');
          const { known } = await import('/web/js/catalogue.js');
          const data = await loadMap(null, known.dimensions);
          const spread = (points, dimension) => {
            let own = 0, all = 0, n = 0, m = 0;
            for (let i = 0; i < data.count; i++) for (let j = 0; j < i; j++) {
              const gap = Math.hypot(points[2*i] - points[2*j], points[2*i+1] - points[2*j+1]);
              all += gap; m++;
              const [a, b] = [data.colour(i, dimension), data.colour(j, dimension)];
              if (a === b && a !== 255) { own += gap; n++; }
            }
            return (own / n) / (all / m);
          };
          const whole = await data.points(null);
          return Promise.all(known.dimensions.map(
            async (name) => [spread(whole, name), spread(await data.points(name), name)]));
        }"""
    )
    gathered = [own < whole for whole, own in spreads]
    assert sum(gathered) > len(gathered) / 2, spreads
    page.locator("input[name=space]").nth(1).check(force=True)
    page.wait_for_selector('#canvas[data-settled]:not([data-settled=""])')
    assert "in=" in page.url


def test_it_is_said_how_a_map_is_made_and_how_music_is_brought_in(
    opened: Opened, tmp_path: Path, catalogue_settings: Settings
) -> None:
    settings = catalogue_settings.model_copy(update={"data_dir": tmp_path})
    Catalogue.open(settings.catalogue_url, create=True).close()
    with served(settings) as address:
        page = opened("/", at=address, may_fail=True)
        expect(page.locator("#notice")).to_contain_text("facet ingest")
        page.click("text=Map")
        expect(page.locator("#map-notice")).to_contain_text("facet map")
        # Nothing is drawn: hand and keys find nothing, and nothing breaks.
        page.focus("#canvas")
        for key in ("ArrowRight", "Enter", "+"):
            page.keyboard.press(key)
        page.locator("#canvas").click(position={"x": 200, "y": 280})
        page.click("text=Search")
        files = sorted((SHIPPED / "samples" / "audio").iterdir())[:3]
        ingested(settings, *files)
        # The page takes it up by itself.
        expect(page.locator("#rows .row[data-track]")).to_have_count(len(files))
        expect(page.locator("#found-title")).to_contain_text("Begin")
        expect(page.locator("#notice")).to_be_empty()


@pytest.mark.parametrize("count", [40, 20_000])
def test_what_is_nearest_is_what_a_look_at_every_point_finds(opened: Opened, count: int) -> None:
    """What is under the mouse, where an arrow leads, and what a lasso caught; without a look at every point."""
    rng = np.random.default_rng(count)
    points = rng.random((count, 2), np.float32).astype(np.float64)
    places = rng.random((200, 2))
    reach = 0.5 / np.sqrt(count)
    starts = rng.integers(count, size=200)
    arrows = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])[rng.integers(4, size=200)]
    page = opened("/?view=about")
    nearest, towards, inside, looked = page.evaluate(
        """async ([points, places, reach, starts, arrows]) => {
          const { Grid } = await import('/web/js/map_grid.js');
          const grid = new Grid(Float32Array.from(points.flat()));
          let looked = 0;
          const within = grid.within;
          grid.within = function* (...box) { for (const i of within.apply(grid, box)) { looked += 1; yield i; } };
          const nearest = places.map(([x, y]) => grid.nearest(x, y, reach));
          const lookedAt = looked / places.length;
          const towards = starts.map((from, i) => grid.towards(from, ...arrows[i]));
          return [nearest, towards, grid.inPolygon([[0, 0], [0.5, 0], [0.5, 1], [0, 1]]), lookedAt];
        }""",
        [points.tolist(), places.tolist(), reach, starts.tolist(), arrows.tolist()],
    )
    gaps = np.hypot(*(points[None] - places[:, None]).transpose(2, 0, 1))
    expected = np.where(gaps.min(axis=1) <= reach, gaps.argmin(axis=1), -1)
    assert 0 < (expected < 0).sum() < len(expected)
    assert nearest == expected.tolist()
    leads = [next_towards(points, start, tuple(arrow)) for start, arrow in zip(starts, arrows, strict=True)]
    assert count > 1000 or -1 in leads
    assert towards == leads
    assert sorted(inside) == np.flatnonzero(points[:, 0] < 0.5).tolist()
    # Three cells or four each way at most, of 128 x 128: some hundredth of them.
    assert looked < max(2, count / 500)
