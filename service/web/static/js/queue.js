// The playlist: what is to be played one after another, to download as M3U.

import { askForBlob } from "./api.js";
import { byId, clock, element, keepingFocus, notice } from "./dom.js";
import { follow, play } from "./player.js";

const box = byId("queue");
const opener = byId("queue-open");
let tracks = [];

export function enqueue(more) {
  tracks = [...tracks, ...more.filter((track) => !tracks.some((each) => each.id === track.id))];
  byId("player").hidden = false;
  show();
}

/** Saves the playlist. The service makes it, with addresses that any player which reaches it can play. */
export async function download(list, name) {
  let address;
  try {
    address = URL.createObjectURL(await askForBlob("/playlist", { track_ids: list.map((track) => track.id) }));
  } catch (error) {
    open(true);
    box.querySelector(".notice")?.remove();
    box.append(error.missing?.length ? gone(error.missing, list, name) : notice(error.title || "Error", error.message, { bad: true }));
    return;
  }
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Says which tracks left the catalogue since they were put into a list, and goes on without them. */
function gone(ids, list, name) {
  const left = list.filter((track) => !ids.includes(track.id));
  const names = list.filter((track) => ids.includes(track.id)).map((track) => `“${track.title}”`);
  const one = names.length === 1;
  const goOn = () => {
    tracks = tracks.filter((track) => !ids.includes(track.id));
    show();
    if (left.length > 0) download(left, name);
  };
  return notice(one ? "A track is gone" : `${names.length} tracks are gone`,
    `${names.join(", ")} ${one ? "is" : "are"} no longer in the catalogue, so nothing was downloaded.`, {
      bad: true,
      action: element("button", { type: "button", class: "button small", onclick: goOn },
        `Take ${one ? "it" : "them"} out${left.length > 0 ? " and download" : ""}`),
    });
}

function show() {
  byId("queue-count").textContent = String(tracks.length);
  byId("next").hidden = tracks.length === 0;
  const drops = "li .icon";
  keepingFocus(box, drops, fill, (_, place) => {
    const left = box.querySelectorAll(drops);
    return left[Math.min(place, left.length - 1)] ?? opener;
  });
}

function fill() {
  box.replaceChildren(
    element("h2", {}, "Playlist"),
    tracks.length === 0
      ? element("p", { class: "quiet" }, "Nothing yet. The button ☰ of a track adds it; so does a lasso on the map.")
      : element("ol", {}, ...tracks.map((track) => element("li", {},
        element("button", { type: "button", onclick: () => play(track) }, `${track.title} · ${track.artist || "Unknown artist"}`),
        element("span", { class: "quiet" }, clock(track.duration_seconds)),
        element("button", {
          type: "button", class: "icon", "aria-label": `Take ${track.title} out`,
          onclick: () => { tracks = tracks.filter((each) => each !== track); show(); },
        }, "✕")))),
    element("div", { class: "buttons" },
      element("button", {
        type: "button", class: "button small main", disabled: tracks.length === 0, onclick: () => download(tracks, "facet.m3u"),
      }, "Download (M3U)"),
      element("button", { type: "button", class: "button small", onclick: () => { tracks = []; show(); } }, "Clear")));
}

function open(isOpen) {
  box.hidden = !isOpen;
  opener.setAttribute("aria-expanded", String(isOpen));
}

opener.addEventListener("click", () => open(box.hidden));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !box.hidden) { open(false); opener.focus(); }
});
follow((id) => tracks[tracks.findIndex((track) => track.id === id) + 1] ?? null);
show();
