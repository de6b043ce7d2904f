// A slider for each dimension, from "another" over "any" to "the same"; moving one asks again while it moves. They show
// once something is asked for.

import { colourOf, known } from "./catalogue.js";
import { byId, element } from "./dom.js";
import { isAsked } from "./question.js";
import { change, state } from "./state.js";

const box = byId("sliders");
const inputs = new Map();

function words(amount) {
  if (amount === 0) return "any";
  if (amount > 0) return amount > 0.66 ? "the same" : amount > 0.33 ? "similar" : "a little";
  return amount < -0.66 ? "quite another" : "another";
}

function moved(name, passing) {
  const amount = Number(inputs.get(name).input.value) / 100;
  change({ amounts: { ...state.amounts, [name]: amount } }, { passing });
}

export function makeSliders() {
  box.replaceChildren();
  known.dimensions.forEach((name, place) => {
    const id = `slider-${place}`;
    const output = element("output", { for: id });
    const input = element("input", {
      id, type: "range", min: -100, max: 100, step: 5, value: 100,
      oninput: () => moved(name, true), onchange: () => moved(name, false),
    });
    inputs.set(name, { input, output });
    box.append(element("div", { class: `slider ${colourOf(name)}` },
      element("label", { for: id }, element("span", {}, name), output), input,
      element("div", { class: "ends", "aria-hidden": "true" },
        element("span", {}, "another"), element("span", {}, "any"), element("span", {}, "the same"))));
  });
  showSliders();
}

export function showSliders() {
  box.hidden = !isAsked(state);
  for (const [name, { input, output }] of inputs) {
    const amount = state.amounts[name] ?? 1;
    if (Number(input.value) !== Math.round(amount * 100)) input.value = Math.round(amount * 100);
    output.textContent = words(amount);
    input.setAttribute("aria-valuetext", `${words(amount)} ${name}`);
  }
}
