// Asks for an API key, once, when the service says that it needs one. The browser then has a session: no script keeps the key.

import { element, spoken } from "./dom.js";

const field = element("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false",
  "aria-describedby": "key-note key-bad" });
const bad = element("p", { id: "key-bad", class: "bad", role: "alert" });
const form = element("form", { method: "dialog", onsubmit: begin },
  element("h2", { id: "key-title" }, "This Facet asks for a key"),
  element("p", { id: "key-note", class: "quiet" }, "Whoever runs it makes one with ", element("code", {}, "facet keys create"), ". It is asked for again in twelve hours."),
  element("label", { for: "key" }, "API key"), field, bad,
  element("button", { type: "submit", class: "button main" }, "Sign in"));
const dialog = element("dialog", { class: "key", "aria-labelledby": "key-title" }, form);
document.body.append(dialog);

/** Shows the form, if it is not shown already. With a key the page begins anew; the promise is kept once one goes without. */
export function askForKey() {
  if (!dialog.open) dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", done, { once: true }));
}

async function begin(event) {
  event.preventDefault();
  bad.textContent = "";
  try {
    const answer = await fetch("/session", { method: "POST", headers: { authorization: `Bearer ${field.value.trim()}` } });
    // What the page could not load is all in its address.
    if (answer.ok) location.reload();
    else bad.replaceChildren(...spoken((await answer.json()).detail));
  } catch (error) {
    // A header holds no letters beyond Latin ones, and a key has none: fetch refuses before anything is sent.
    bad.textContent = error instanceof TypeError && !/^[\x21-\x7e]*$/.test(field.value.trim())
      ? "That is no API key." : "The service cannot be reached.";
  }
  field.select();
}
