// The map: every track a point, in all dimensions together or in one; from one to the other the points move.

import { get, whenBack } from "./api.js";
import { known, meet, trackOf } from "./catalogue.js";
import { byId, element, notice, settled } from "./dom.js";
import { Grid } from "./map_grid.js";
import { makeHands } from "./map_hands.js";
import { loadMap } from "./map_data.js";
import { makePainter } from "./map_paint.js";
import { makeTools } from "./map_tools.js";
import { play } from "./player.js";
import { enqueue } from "./queue.js";
import { change, state } from "./state.js";

const MOVE_MS = 900;
const REACH_PIXELS = 14;
const EDGE_PIXELS = 8;
const MOST_LASSOED = 100;
const NAMES_AT_ONCE = 50;

const canvas = byId("canvas");
const overlay = element("canvas", { class: "over", "aria-hidden": "true" });
const label = byId("map-name");
const box = byId("map-notice");
const view = { x: 0.5, y: 0.5, scale: 1, least: 1 };
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let painter = null;
let hands = null;
let tools = null;
let data = null;
let grid = new Grid(new Float32Array());
let before = null;
let points = null;
let shown;
let run = 0;
let share = 1;
let moving = 0;
let marked = -1;
let lasso = null;
let colourBy = null;

const hex = (text) => [1, 3, 5].map((at) => parseInt(text.trim().slice(at, at + 2), 16));

function palette() {
  const style = getComputedStyle(document.documentElement);
  return [...Array(8).keys()].map((i) => hex(style.getPropertyValue(`--d${i}`))).concat([hex(style.getPropertyValue("--wave"))]);
}

function fit() {
  const ratio = window.devicePixelRatio || 1;
  for (const each of [canvas, overlay]) {
    each.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    each.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  }
  const least = 0.92 * Math.min(canvas.width, canvas.height);
  view.scale *= least / view.least;
  view.least = least;
}

function where(i) {
  return [0, 1].map((axis) => before[2 * i + axis] + (points[2 * i + axis] - before[2 * i + axis]) * share);
}

const toScreen = ([x, y]) => [(x - view.x) * view.scale + canvas.width / 2, (y - view.y) * view.scale + canvas.height / 2];

function paint() {
  if (!points) return;
  const ratio = window.devicePixelRatio || 1;
  const crowd = Math.max(2.2, Math.min(11, 260 / Math.sqrt(data.count)));
  const size = ratio * crowd * Math.min(3, Math.sqrt(view.scale / view.least));
  painter.paint({ share, ...view, size });
  const pen = overlay.getContext("2d");
  pen.clearRect(0, 0, overlay.width, overlay.height);
  pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  pen.lineWidth = 2 * ratio;
  if (marked >= 0) {
    const [x, y] = toScreen(where(marked));
    pen.beginPath();
    pen.arc(x, y, size / 2 + 4 * ratio, 0, 7);
    pen.stroke();
    label.style.transform = `translate(${Math.max(4, Math.min(x / ratio + 12, canvas.clientWidth - 220))}px, ${y / ratio + 12}px)`;
  }
  if (lasso) {
    pen.beginPath();
    lasso.forEach((corner) => pen.lineTo(...toScreen(corner)));
    pen.closePath();
    pen.stroke();
  }
}

function recolour() {
  const colours = palette();
  const bytes = new Uint8Array(data.count * 3);
  for (let i = 0; i < data.count; i += 1) bytes.set(colours[Math.min(8, data.colour(i, colourBy))], 3 * i);
  painter.set(before, points, bytes);
  const said = (data.coloured[colourBy] ?? []).map((tag, place) => [tag, colours[place]]);
  if (data.tags.get(colourBy).includes(255)) said.push(["other", colours[8]]);
  byId("map-legend").replaceChildren(...said.map(([tag, colour]) => {
    const dot = element("i");
    dot.style.background = `rgb(${colour.join(",")})`;
    return element("li", {}, dot, tag);
  }));
}

function animate(time, start = time) {
  share = still.matches ? 1 : Math.min(1, (time - start) / MOVE_MS);
  share = share * share * (3 - 2 * share);
  paint();
  moving = share < 1 ? requestAnimationFrame((next) => animate(next, start)) : 0;
  if (!moving) canvas.dataset.settled = String(shown ?? "");
}

function mark(point) {
  marked = point;
  label.hidden = point < 0;
  if (point >= 0) {
    label.textContent = "…";
    name(point);
  }
  paint();
}

const name = settled(60, async (point) => {
  const of = data;
  const said = await trackOf(data.id(point)).then(
    (track) => [track.title, track.artist].filter(Boolean).join(" · "),
    (error) => error.code === "track_not_found" ? "A track that is gone" : error.title);
  if (point === marked && of === data) label.textContent = said;
});

async function playPoint(point) {
  if (point < 0) return;
  mark(point);
  try {
    play(await trackOf(data.id(point)));
  } catch (error) {
    box.replaceChildren(notice(error.title || "Error", error.message, { bad: true }));
  }
}

async function lassoed(corners) {
  const ids = grid.inPolygon(corners).slice(0, MOST_LASSOED).map((point) => data.id(point));
  const tracks = [];
  try {
    for (let at = 0; at < ids.length; at += NAMES_AT_ONCE) {
      const some = ids.slice(at, at + NAMES_AT_ONCE).map((id) => `id=${id}`).join("&");
      tracks.push(...(await get(`/names?${some}`)).items.map(meet));
    }
  } catch (error) {
    box.replaceChildren(notice(error.title || "Error", error.message, { bad: true }));
    return;
  }
  if (tracks.length === 0) return;
  enqueue(tracks);
  if (byId("queue").hidden) byId("queue-open").click();
}

const under = (at) => grid.nearest(...at, (REACH_PIXELS * (window.devicePixelRatio || 1)) / view.scale);

/** Moves the view to a point that lies outside. */
function bringIntoView(point) {
  const edge = EDGE_PIXELS * (window.devicePixelRatio || 1);
  const [x, y] = toScreen(where(point));
  const isSeen = x >= edge && y >= edge && x <= canvas.width - edge && y <= canvas.height - edge;
  if (!isSeen) [view.x, view.y] = where(point);
}

function make() {
  colourBy = known.dimensions[0];
  canvas.after(overlay);
  painter = makePainter(canvas);
  hands = makeHands(canvas, view, {
    moved: paint,
    hovered: (at) => mark(at === null ? -1 : under(at)),
    clicked: (at) => playPoint(under(at)),
    lassoing: (corners) => { lasso = corners; paint(); },
    lassoed,
    stepped: ([dx, dy]) => {
      const next = marked < 0 ? grid.nearest(view.x, view.y, Infinity) : grid.towards(marked, dx, dy);
      if (next < 0) return;
      bringIntoView(next);
      mark(next);
    },
    chosen: () => playPoint(marked),
  });
  new ResizeObserver(() => { fit(); paint(); }).observe(canvas);
  dark.addEventListener("change", () => { if (points) { recolour(); paint(); } });
  fit();
}

export async function showMap() {
  if (!painter) make();
  const wanted = state.within;
  run += 1;
  const own = run;
  try {
    const newest = await loadMap(data, known.dimensions);
    const next = await newest.points(known.dimensions.includes(wanted) ? wanted : null);
    // A map, its points and their grid change together, and an older answer never overtakes a newer one.
    if (own !== run) return;
    if (newest !== data) shown = undefined;
    data = newest;
    box.replaceChildren();
    // One dimension shows its own tags; back among all, the same colours scatter.
    if (shown !== wanted && known.dimensions.includes(wanted)) colourBy = wanted;
    tools ??= makeTools(byId("map-tools"), known.dimensions, {
      shown: (value) => change({ within: value || null }),
      coloured: (value) => { colourBy = value; recolour(); paint(); },
      lasso: hands.lasso,
      zoom: hands.zoom,
    });
    tools.show(wanted ?? "", colourBy);
    if (shown === wanted) return paint();
    before = shown === undefined ? next : points;
    points = next;
    grid = new Grid(points);
    shown = wanted;
    mark(-1);
    delete canvas.dataset.settled;
    recolour();
    cancelAnimationFrame(moving);
    moving = requestAnimationFrame((time) => animate(time));
    return undefined;
  } catch (error) {
    if (own !== run) return;
    if (error.code === "map_changed") return showMap();
    if (error.code === "offline") whenBack(showMap);
    box.replaceChildren(error.code === "no_map"
      ? notice("No map yet", "On the machine that runs Facet: `facet map`. It shows up here when it is drawn.")
      : notice(error.title || "Error", error.message, { bad: true }));
  }
}
