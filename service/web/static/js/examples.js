// What the question is made of, as chips: the tracks and clips it leads to, and those it leads away from.

import { whenBack } from "./api.js";
import { trackOf } from "./catalogue.js";
import { byId, element, keepingFocus } from "./dom.js";
import { change, dropExample, state } from "./state.js";

const box = byId("examples");
const clipNames = new Map();

export const nameClip = (id, name) => clipNames.set(id, name);

export async function named(example) {
  if (example[0] === "c") return { title: clipNames.get(example.slice(2)) || "Your clip", artist: "" };
  try {
    return await trackOf(example.slice(2));
  } catch (error) {
    if (error.code === "offline") whenBack(showExamples);
    return { title: error.code === "track_not_found" ? "A track that is gone" : "A track", artist: "" };
  }
}

function chip(example, isLiked) {
  const title = element("b", {}, "…");
  const drop = element("button", { type: "button", class: "icon", onclick: () => dropExample(example) }, "✕");
  const made = element("div", { class: isLiked ? "example" : "example away" },
    element("span", { class: "sign", "aria-hidden": "true" }, isLiked ? "+" : "−"),
    element("div", {}, element("small", {}, isLiked ? "Like" : "Unlike"), title), drop);
  named(example).then((track) => {
    title.textContent = track.artist ? `${track.title} · ${track.artist}` : track.title;
    title.title = title.textContent;
    drop.setAttribute("aria-label", `Without ${track.title}`);
  });
  return made;
}

export function showExamples() {
  const chips = [...state.like.map((each) => chip(each, true)), ...state.unlike.map((each) => chip(each, false))];
  const isAnything = chips.length > 0 || Object.keys(state.tags).length > 0;
  const again = element("button", {
    type: "button", class: "button small", onclick: () => change({ like: [], unlike: [], tags: {}, amounts: {} }),
  }, "Start over");
  keepingFocus(box, "button", () => box.replaceChildren(...chips, ...(isAnything ? [again] : [])), (_, place) => {
    const buttons = box.querySelectorAll("button");
    return buttons[Math.min(place, buttons.length - 1)] ?? byId("main");
  });
}
