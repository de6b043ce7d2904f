"""The map in the browser: points that can be seen, named, heard and caught, and that gather by dimension."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from service.catalogue.repository import Catalogue
from service.settings import Settings
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


def test_keys_alone_walk_the_map_and_play(opened: Opened) -> None:
    page = opened("/?view=map")
    settled(page)
    page.focus("#canvas")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map-name")).to_contain_text("·")
    seen = {page.inner_text("#map-name")}
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        page.wait_for_timeout(150)
        seen.add(page.inner_text("#map-name"))
    # How many tracks lie that way depends on where the walk began; if the keys did nothing, it would be one.
    assert len(seen) > 1
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    expect(page.locator("#player")).to_be_visible()


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


@pytest.mark.parametrize("count", [100_000])
def test_among_a_hundred_thousand_points_the_nearest_is_found_at_once(opened: Opened, count: int) -> None:
    """Finding what is under the mouse, which is done for every one of its moves, and what a lasso caught."""
    page = opened("/?view=about")
    took = page.evaluate(
        """async (count) => {
          const { Grid } = await import('/web/js/map_grid.js');
          const points = Float32Array.from({length: 2 * count}, () => Math.random());
          const began = performance.now();
          const grid = new Grid(points);
          const built = performance.now() - began;
          const start = performance.now();
          for (let i = 0; i < 1000; i++) grid.nearest(Math.random(), Math.random(), 0.01);
          const each = (performance.now() - start) / 1000;
          return [built, each, grid.inPolygon([[0, 0], [0.5, 0], [0.5, 1], [0, 1]]).length];
        }""",
        count,
    )
    built, each, inside = took
    assert built < 200
    assert each < 1
    assert abs(inside / count - 0.5) < 0.01
