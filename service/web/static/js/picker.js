// A field that finds a track by its name: type, arrow down, Enter.

import { get } from "./api.js";
import { meet } from "./catalogue.js";
import { element, settled } from "./dom.js";

/** Turns an input and a list into a combobox; `picked` gets the track. */
export function makePicker(input, list, picked) {
  let options = [];
  let active = -1;
  let asking = null;

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(place) {
    active = place;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === place)));
    const item = list.children[place];
    if (!item) return;
    input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  function choose(track) {
    input.value = "";
    close();
    picked(meet(track));
  }

  const look = settled(80, async () => {
    asking?.abort();
    const text = input.value.trim();
    if (!text) return close();
    asking = new AbortController();
    try {
      options = (await get(`/names?text=${encodeURIComponent(text)}`, asking.signal)).items;
    } catch {
      return close();
    }
    list.replaceChildren(...options.map((track, i) => element("li", {
      role: "option", id: `${list.id}-${i}`, "aria-selected": "false", onmousedown: (event) => event.preventDefault(),
      onclick: () => choose(track),
    }, track.title, element("span", {}, [track.artist, track.year].filter(Boolean).join(" · ")))));
    if (options.length === 0) {
      list.append(element("li", { role: "option", "aria-disabled": "true", "aria-selected": "false", id: `${list.id}-0` },
        "No track of that name"));
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(options.length ? 0 : -1);
  });

  input.addEventListener("input", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") mark(Math.min(active + 1, options.length - 1));
    else if (event.key === "ArrowUp") mark(Math.max(active - 1, 0));
    else if (event.key === "Enter" && options[active]) choose(options[active]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
}
