// Tags by dimension, each to be added (+) or led away from (−).

import { known } from "./catalogue.js";
import { byId, element } from "./dom.js";
import { change, state } from "./state.js";

const box = byId("tags");

function toggle(name, sign) {
  const tags = { ...state.tags };
  if (tags[name] === sign) delete tags[name];
  else tags[name] = sign;
  change({ tags, view: "search" });
}

export function makeTags() {
  box.replaceChildren();
  if (matchMedia("(max-width: 900px)").matches) byId("tags-box").open = false;
  for (const dimension of known.dimensions) {
    const own = known.tags.filter((tag) => tag.dimension === dimension);
    if (own.length === 0) continue;
    box.append(element("h2", {}, dimension), element("ul", { class: "tag-list", "aria-label": `${dimension} tags` },
      ...own.map((tag) => element("li", { class: "tag", "data-tag": tag.name },
        element("button", {
          type: "button", class: "with", "aria-label": `more ${tag.name}`, onclick: () => toggle(tag.name, 1),
        }, tag.name, element("span", { "aria-hidden": "true" }, " +")),
        element("button", {
          type: "button", class: "without", "aria-label": `less ${tag.name}`, onclick: () => toggle(tag.name, -1),
        }, "−")))));
  }
  showTags();
}

export function showTags() {
  for (const item of box.querySelectorAll(".tag")) {
    const sign = state.tags[item.dataset.tag] ?? 0;
    item.querySelector(".with").setAttribute("aria-pressed", String(sign > 0));
    item.querySelector(".without").setAttribute("aria-pressed", String(sign < 0));
  }
}
