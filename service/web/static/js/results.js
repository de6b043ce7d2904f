// The question is asked whenever it changes, and the answer shown; an older answer never overtakes a newer one.

import { ask, get, whenBack } from "./api.js";
import { known, learn } from "./catalogue.js";
import { byId, element, keepingFocus, notice } from "./dom.js";
import { asQuestion } from "./question.js";
import { bones, row } from "./rows.js";
import { inWords } from "./sentence.js";
import { change, state } from "./state.js";

const PAGE = 20;
const LOOK_AGAIN_MS = 3000;
const list = byId("rows");
const title = byId("found-title");
const note = byId("found-note");
const more = byId("more");
const box = byId("notice");
let asking = null;
let asked = null;
let cursor = null;
let looking = 0;

const address = (path) => `${path}?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;

async function page(signal) {
  const answer = asked ? await ask(address("/query"), asked, signal) : await get(address("/tracks"), signal);
  cursor = answer.next_cursor;
  more.hidden = cursor === null;
  const items = asked ? answer.items : answer.items.map((track) => ({ track }));
  return { ...answer, rows: items.map(row) };
}

/** Asks for what the state says. */
export async function showResults() {
  const question = asQuestion(state, known.dimensions, known.likeness, known.dimensionOfTag);
  if (JSON.stringify(question) === JSON.stringify(asked) && list.children.length > 0 && !list.querySelector("[aria-hidden].row")) return;
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  asked = question;
  cursor = null;
  list.classList.add("is-stale");
  if (list.children.length === 0) {
    list.classList.add("bones");
    list.replaceChildren(...bones());
  }
  try {
    const answer = await page(signal);
    keepingFocus(list, "button", () => list.replaceChildren(...answer.rows), sameRow);
    list.classList.remove("bones");
    box.replaceChildren();
    tell(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error);
  }
  list.classList.remove("is-stale");
}

/** The same button of the same track; of a track that is no longer there, the first row. */
function sameRow(had) {
  const track = had.closest(".row").dataset.track;
  const again = [...list.children].find((each) => each.dataset.track === track);
  const kind = ["more-like", "less-like", "enqueue"].find((name) => had.classList.contains(name)) ?? "round";
  return again?.querySelector(`.${kind}`) ?? list.querySelector(".round") ?? byId("main");
}

/** Nothing is searchable yet, or too little for the catalogue to tell what is alike. */
const isYoung = () => Object.keys(known.likeness).length === 0;

function lookAgain() {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    const before = known.state.searchable;
    await learn().catch(() => null);
    if (isYoung()) lookAgain();
    if (asked === null && known.state.searchable !== before) {
      asked = undefined;
      await showResults();
    }
  }, LOOK_AGAIN_MS);
}

function tell(answer) {
  if (isYoung()) lookAgain();
  if (!asked) {
    const count = answer.rows.length && Math.max(answer.rows.length, known.state.searchable);
    title.textContent = count ? "Begin with something you like" : "Nothing to search yet";
    note.textContent = count ? `${count.toLocaleString()} tracks. Press “More like this” on one, name one, play something, or choose tags.` : "";
    if (!count) {
      list.replaceChildren();
      box.replaceChildren(notice("Bring in some music", "On the machine that runs Facet: `facet ingest ~/Music`. "
        + "Tracks appear here as they are heard. To try it out first: `facet demo`."));
    }
    return;
  }
  tellQuestion(answer.rows.length > 0);
  const { left } = answer.filtered;
  note.textContent = answer.rows.length ? `nearest first, of ${left.toLocaleString()} track${left === 1 ? "" : "s"}` : "";
  if (answer.rows.length === 0) {
    box.replaceChildren(notice("No track is left", "“Another” leaves out what is alike. Move a slider towards the middle.", {
      action: button("Set all sliders back", () => change({ amounts: {} })),
    }));
  }
}

async function tellQuestion(isFound) {
  const of = asked;
  const words = await inWords(state, known.dimensions);
  if (of === asked) title.textContent = isFound ? words : `Nothing is ${words[0].toLowerCase()}${words.slice(1)}`;
}

const button = (words, onclick) => element("button", { type: "button", class: "button small", onclick }, words);

/** Says why a clip could not be heard, in place of the answer to the question before, which can be asked again. */
export function showRefused(error, name) {
  asking?.abort();
  list.classList.remove("is-stale");
  showError(`${name} cannot be searched for`, error,
    error.code === "too_short" ? "Half a second of sound at least is needed." : error.message,
    button("Back to what was shown before", () => showResults()));
}

function fail(error) {
  if (error.code === "offline") {
    asked = undefined;
    more.hidden = true;
    list.classList.remove("bones");
    whenBack(showResults);
    if (list.querySelector(".row[aria-hidden]")) list.replaceChildren();
    title.textContent = "The service is away";
    return;
  }
  const advice = {
    clip_not_found: "A clip is kept only for a while. Drop or record it again.",
    track_not_found: "The track is no longer in the catalogue. Take it out of the question.",
    no_direction: "In what you ask for, this says nothing. Move a slider to the right, or add a tag.",
    not_ready: "The index is being read; it is tried again by itself.",
  }[error.code];
  showError(error.title || "Something went wrong", error, advice || error.message,
    button("Start over", () => change({ like: [], unlike: [], tags: {}, amounts: {} })));
  if (error.code === "not_ready") setTimeout(showResults, 2000);
}

function showError(heading, error, words, action) {
  // What failed was not answered: the same question is asked again, from its first page on.
  asked = undefined;
  more.hidden = true;
  list.classList.remove("bones");
  list.replaceChildren();
  title.textContent = heading;
  note.textContent = "";
  box.replaceChildren(notice(error.title || "Error", words, { bad: true, action }));
}

more.addEventListener("click", async () => {
  more.disabled = true;
  try {
    const { rows } = await page(asking?.signal);
    list.append(...rows);
    rows[0]?.querySelector(".round").focus();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
  more.disabled = false;
});
