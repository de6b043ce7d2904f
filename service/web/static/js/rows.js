// Results as rows: what it is, where it matches, and why.

import { colourOf, known, meet } from "./catalogue.js";
import { clock, element } from "./dom.js";
import { onPlayer, play, playing } from "./player.js";
import { shareBelow } from "./question.js";
import { enqueue } from "./queue.js";
import { addExample, state } from "./state.js";
import { showPlayed, waveform } from "./waveform.js";

function why(item) {
  const names = known.dimensions.filter((name) => name in item.dimensions);
  return element("ul", { class: "why", "aria-label": "Why" }, ...names.map((name) => {
    const cosine = item.dimensions[name];
    const share = known.likeness[name] ? shareBelow(known.likeness[name], cosine) : Math.max(0, cosine);
    const percent = Math.round(share * 100);
    const bar = element("i");
    bar.style.width = `${Math.max(2, percent)}%`;
    const isOff = (state.amounts[name] ?? 1) === 0;
    return element("li", {
      class: `${colourOf(name)}${isOff ? " is-off" : ""}`, "data-dimension": name,
      title: `${name}: more alike than ${percent} % of any two tracks (cosine ${cosine.toFixed(2)})`,
    }, element("span", {}, name), element("span", { class: "bar", role: "img", "aria-label": `${percent} percent` }, bar));
  }));
}

/** A row of a list; without `excerpt` and `dimensions`, of a list that answers no question. */
export function row(item) {
  const track = meet(item.track);
  const from = item.excerpt?.start_seconds ?? 0;
  const toggle = element("button", {
    type: "button", class: "round", "aria-label": `Play ${track.title}`, onclick: () => play(track, { from }),
  });
  const wave = waveform(track, item.excerpt, (seconds) => play(track, { from: seconds, again: true }));
  const example = `t:${track.id}`;
  const made = element("li", { class: "row", "data-track": track.id },
    toggle,
    element("div", { class: "names" }, element("h2", { title: track.title }, track.title),
      element("p", {}, [track.artist || "Unknown artist", track.year].filter(Boolean).join(" · "))),
    wave,
    element("span", { class: "length" }, clock(track.duration_seconds)),
    item.dimensions ? why(item) : element("span"),
    element("div", { class: "does" },
      element("button", {
        type: "button", class: "more-like", "aria-label": `More like this: ${track.title}`,
        onclick: () => addExample(example, "like"),
      }, "More like this"),
      element("button", {
        type: "button", class: "less-like", "aria-label": `Less like this: ${track.title}`,
        onclick: () => addExample(example, "unlike"),
      }, "Less like this"),
      element("button", {
        type: "button", class: "icon enqueue", "aria-label": `Add ${track.title} to the playlist`,
        title: "Add to the playlist", onclick: () => enqueue([track]),
      }, "☰")));
  made.show = (now) => {
    const isThis = now.id === track.id;
    if (!isThis && !made.wasCurrent) return;
    made.wasCurrent = isThis;
    made.classList.toggle("is-current", isThis);
    toggle.classList.toggle("is-playing", isThis && now.isPlaying);
    toggle.setAttribute("aria-label", `${isThis && now.isPlaying ? "Pause" : "Play"} ${track.title}`);
    showPlayed(wave, isThis ? now.seconds : 0);
  };
  made.show(playing());
  return made;
}

onPlayer((now) => document.querySelectorAll(".row").forEach((each) => each.show?.(now)));

/** Grey rows while the first answer is on its way. */
export const bones = (count = 6) => Array.from({ length: count }, () => element("li", { class: "row", "aria-hidden": "true" }));

// Up and down go from row to row, wherever in a row one is; + and − say more or less like it.
document.addEventListener("keydown", (event) => {
  const here = event.target.closest?.(".row");
  if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (step) here[step]?.querySelector(".round")?.focus();
  else if (event.key === "+") here.querySelector(".more-like").click();
  else if (event.key === "-") here.querySelector(".less-like").click();
  else return;
  event.preventDefault();
});
