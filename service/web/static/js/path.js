// A way from one track to another: a playlist that changes a little with every step.

import { get, whenBack } from "./api.js";
import { known, trackOf } from "./catalogue.js";
import { byId, choices, choose, element, notice } from "./dom.js";
import { makePicker } from "./picker.js";
import { download, enqueue } from "./queue.js";
import { row } from "./rows.js";
import { change, state } from "./state.js";

const STEPS = 8;
const box = byId("path");
let parts = null;
let asking = null;

function end(side, words) {
  const input = element("input", {
    id: `path-${side}`, type: "search", placeholder: "Name of a track", autocomplete: "off", role: "combobox",
    "aria-expanded": "false", "aria-controls": `path-${side}-names`, "aria-autocomplete": "list",
  });
  const list = element("ul", { id: `path-${side}-names`, role: "listbox", "aria-label": "Tracks of that name", hidden: true });
  const chosen = element("output", { for: input.id });
  makePicker(input, list, (track) => change({ [side]: track.id }));
  return { chosen, made: element("div", { class: "field" }, element("label", { for: input.id }, words), input, list, chosen) };
}

function make() {
  const [from, to] = [end("from", "From"), end("to", "To")];
  const swap = element("button", { type: "button", class: "button", onclick: () => change({ from: state.to, to: state.from }) }, "⇄ Swap");
  const list = element("ol", { class: "rows", "aria-label": "The way" });
  const said = element("div", { role: "status", "aria-live": "polite" });
  const saves = element("div", { hidden: true });
  box.replaceChildren(element("h1", {}, "From one track to another"),
    element("p", { class: "quiet" }, "A playlist that leads evenly from the first sound to the last."),
    element("div", { class: "path-ends" }, from.made, to.made, swap),
    choices("Changing in", "path-in", [["", "everything"], ...known.dimensions.map((name) => [name, name])],
      (value) => change({ within: value || null })), said, list, saves);
  parts = { from, to, list, said, saves };
}

export async function showPath() {
  if (!parts) make();
  const { from, to, list, said, saves } = parts;
  choose(box, "path-in", state.within ?? "");
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  saves.hidden = true;
  list.replaceChildren();
  try {
    const [first, last] = await Promise.all([state.from, state.to].map((id) => id && trackOf(id)));
    if (signal.aborted) return;
    from.chosen.textContent = first ? `${first.title} · ${first.artist || ""}` : "";
    to.chosen.textContent = last ? `${last.title} · ${last.artist || ""}` : "";
    if (!first || !last) {
      said.replaceChildren(notice("Choose two tracks", "Type a part of a name, and press Enter on the track you mean."));
      return;
    }
    const within = state.within ? `&dimension=${encodeURIComponent(state.within)}` : "";
    const way = await get(
      `/path?from=${encodeURIComponent(first.id)}&to=${encodeURIComponent(last.id)}&steps=${STEPS}${within}`, signal);
    said.replaceChildren();
    list.replaceChildren(...way.items.map(row));
    const tracks = way.items.map((item) => item.track);
    saves.hidden = false;
    saves.replaceChildren(
      element("button", { type: "button", class: "button main", onclick: () => enqueue(tracks) }, "Add all to the playlist"), " ",
      element("button", { type: "button", class: "button", onclick: () => download(tracks, "path.m3u") }, "Download (M3U)"));
  } catch (error) {
    if (signal.aborted) return;
    if (error.code === "offline") whenBack(showPath);
    said.replaceChildren(notice(error.title || "Error", error.message, { bad: true }));
  }
}
