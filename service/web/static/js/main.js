// Puts the page together: learns what there is to ask for, then shows what the address says, and follows it.

import { whenBack } from "./api.js";
import { showAbout } from "./about.js";
import { known, learn } from "./catalogue.js";
import { byId, notice } from "./dom.js";
import { showExamples } from "./examples.js";
import { makePicker } from "./picker.js";
import { showPath } from "./path.js";
import "./recorder.js";
import { showResults } from "./results.js";
import { bones } from "./rows.js";
import { makeSliders, showSliders } from "./sliders.js";
import { addExample, change, leaveOut, onChange, state, written } from "./state.js";
import { makeTags, showTags } from "./tags.js";

const TITLES = { search: "Facet", map: "Map · Facet", path: "Path · Facet", about: "About · Facet" };
let shown = null;

function tellUnread() {
  leaveOut((name) => known.dimensions.includes(name));
  const { unread } = state;
  byId("unread").replaceChildren(...(unread.length === 0 ? [] : [notice("A part of the address means nothing here",
    `Left out: ${unread.join(", ")}. There are the views ${Object.keys(TITLES).join(", ")} and the dimensions ${known.dimensions.join(", ")}; `
    + "a slider stands at a number from -1 to 1.")]));
}

async function show() {
  tellUnread();
  for (const view of Object.keys(TITLES)) byId(view).hidden = view !== state.view;
  document.title = TITLES[state.view];
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.href = written({ ...state, view: link.dataset.view });
  }
  const isNew = shown !== state.view;
  shown = state.view;
  if (state.view === "search") {
    showSliders();
    showTags();
    showExamples();
    await showResults();
  } else if (state.view === "path") {
    await showPath();
  } else if (state.view === "about" && isNew) {
    await showAbout();
  } else if (state.view === "map") {
    // The map is large, and not what most come for.
    const map = await import("./map.js").catch(() => null);
    if (map) await map.showMap();
    else byId("map-notice").replaceChildren(notice("The map could not be loaded", "Is `facet serve` running? Press Map again.", { bad: true }));
  }
}

for (const link of document.querySelectorAll("[data-view]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ view: link.dataset.view });
  });
}

makePicker(byId("name"), byId("names"), (track) => addExample(`t:${track.id}`, "like"));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || state.view !== "search") return;
  if (!event.target.closest("input:not([type=range])")) {
    event.preventDefault();
    byId("name").focus();
  }
});

async function begin() {
  byId("rows").classList.add("bones");
  if (byId("rows").children.length === 0) byId("rows").replaceChildren(...bones());
  try {
    await learn();
  } catch (error) {
    if (error.code === "not_ready") setTimeout(begin, 1000);
    else if (error.code === "offline") whenBack(begin);
    byId("found-title").textContent = { not_ready: "Reading the index…", offline: "The service is away" }[error.code] ?? "Something went wrong";
    if (error.code !== "offline" && error.code !== "not_ready") {
      byId("notice").replaceChildren(notice(error.title || "Error", error.message, { bad: true }));
    }
    return;
  }
  document.documentElement.dataset.dimensions = String(known.dimensions.length);
  makeSliders();
  makeTags();
  onChange(show);
  await show();
}

begin();
