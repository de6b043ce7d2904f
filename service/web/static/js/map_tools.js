// What stands above the map: the space that is shown, the dimension that colours it, the lasso, closer and farther.

import { choices, choose, element } from "./dom.js";

const button = (words, title, work) => element("button", { type: "button", class: "button small", "aria-label": title, onclick: work }, words);

/** `say` gets shown (a dimension, "" for all), coloured, lasso (on or off) and zoom; `show` says what is chosen. */
export function makeTools(box, names, say) {
  const dimensions = names.map((each) => [each, each]);
  const catcher = element("button", {
    type: "button", class: "button small", "aria-pressed": "false",
    onclick: () => {
      const is = catcher.getAttribute("aria-pressed") !== "true";
      catcher.setAttribute("aria-pressed", String(is));
      say.lasso(is);
    },
  }, "Lasso a playlist");
  box.replaceChildren(
    choices("Show", "space", [["", "everything"], ...dimensions], say.shown),
    choices("Colour by", "colour", dimensions, say.coloured),
    element("div", {}, catcher, " ", button("+", "Closer", () => say.zoom(1.5)), " ", button("−", "Farther", () => say.zoom(1 / 1.5))));
  return {
    show: (space, colour) => {
      choose(box, "space", space);
      choose(box, "colour", colour);
    },
  };
}
