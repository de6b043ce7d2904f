// What the model is, and how the catalogue stands.

import { get, signOut, whenBack } from "./api.js";
import { byId, element, notice, spoken } from "./dom.js";
import { rendered } from "./markdown.js";

const box = byId("about");

const figure = (number, words) => element("div", {}, element("b", {}, number.toLocaleString()), element("span", {}, words));

function failures(state) {
  if (state.failures.length === 0) return element("p", {}, "Every file that was tried could be read.");
  return element("div", { class: "wide" }, element("table", {},
    element("thead", {}, element("tr", {}, ...["Failed with", "Files", "What to do"].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...state.failures.map((each) => element("tr", {},
      element("td", {}, element("code", {}, each.code)), element("td", {}, each.files.toLocaleString()), element("td", {}, ...spoken(each.advice)))))));
}

function takeover(next) {
  const missing = next.tracks - next.embedded - next.failed;
  return element("div", {}, element("h2", {}, "Another model is being made ready"),
    element("p", {}, ...spoken(`${next.name} has heard ${next.embedded.toLocaleString()} of ${next.tracks.toLocaleString()} tracks. `
      + (next.needs_decision ? "It does not take over by itself, because too many failed: mend that, or run `facet reembed --switch`."
        : missing > 0 ? "It takes over by itself when it has heard all of them." : "It takes over in a moment."))),
    ...(next.failed ? [element("p", {}, ...spoken(`${next.failed.toLocaleString()} could not be heard: ${next.failures[0].message}`
      + (next.failed > 1 ? ", and others." : ".")))] : []));
}

export async function showAbout() {
  box.setAttribute("aria-busy", "true");
  try {
    const [state, model, session] = await Promise.all([get("/catalogue"), get("/model"), get("/session")]);
    const failed = state.failures.reduce((sum, each) => sum + each.files, 0);
    box.replaceChildren(
      element("h1", { class: "unseen" }, "About this Facet"),
      element("section", { "aria-label": "The catalogue" }, element("h2", {}, "The catalogue"),
        element("div", { class: "figures" }, figure(state.tracks, "tracks"), figure(state.searchable, "searchable now"),
          figure(failed, "files that failed")),
        failures(state),
        element("p", { class: "quiet" }, "Nothing leaves this machine. Every call of the service: ",
          element("a", { href: "/docs" }, "/docs"), "."),
        session.is_signed_in && element("button", { type: "button", class: "button small",
          onclick: () => signOut().then(() => location.reload()) }, "Sign out")),
      element("section", { "aria-label": "The model" },
        ...(model.next ? [takeover(model.next)] : []),
        ...(model.answering.card ? rendered(model.answering.card)
          : [element("h2", {}, model.answering.name), element("p", {}, "This model came without a card.")])));
  } catch (error) {
    if (error.code === "offline") whenBack(showAbout);
    box.replaceChildren(element("h1", { class: "unseen" }, "About this Facet"), notice(error.title || "Error", error.message, { bad: true }));
  }
  box.removeAttribute("aria-busy");
}
