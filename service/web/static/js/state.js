// The question and the address bar are the same thing: a link says all, and the back button goes a step back.
//
//   like, unlike   t:TRACK or c:CLIP, any number of times
//   with, without  tags
//   by             DIMENSION:AMOUNT from -1 (another) over 0 (any) to 1 (the same); what is not named is 1
//   view           search (if left out), map, path or about; from, to, in: of the path and the map
//
// What cannot be read of an address is left out of the question and kept in `unread`, to be told.

const VIEWS = ["search", "map", "path", "about"];
const listeners = [];
let isPassing = false;

/** What `by` says after its last colon; NaN if that is no number. */
const amountIn = (text) => Number(text.slice(text.lastIndexOf(":") + 1).trim() || NaN);

export let state = read(location.search);

/** Calls `listener` with the new state whenever it changes. */
export const onChange = (listener) => listeners.push(listener);

function read(search) {
  const given = new URLSearchParams(search);
  const unread = [];
  const readable = (name, isRight) => given.getAll(name).filter((each) => isRight(each) || !unread.push(`${name}=${each}`));
  const amounts = {};
  for (const each of readable("by", (text) => text.lastIndexOf(":") > 0 && Math.abs(amountIn(text)) <= 1)) {
    amounts[each.slice(0, each.lastIndexOf(":"))] = amountIn(each);
  }
  const examples = (name) => readable(name, (each) => /^[tc]:./.test(each));
  const tags = {};
  given.getAll("with").forEach((tag) => { tags[tag] = 1; });
  given.getAll("without").forEach((tag) => { tags[tag] = -1; });
  const view = readable("view", (each) => VIEWS.includes(each))[0] ?? "search";
  return {
    view, unread,
    like: examples("like"), unlike: examples("unlike"), tags, amounts,
    from: given.get("from"), to: given.get("to"), within: given.get("in"),
  };
}

export function written(of) {
  const said = new URLSearchParams();
  if (of.view !== "search") said.set("view", of.view);
  of.like.forEach((each) => said.append("like", each));
  of.unlike.forEach((each) => said.append("unlike", each));
  for (const [tag, sign] of Object.entries(of.tags)) said.append(sign > 0 ? "with" : "without", tag);
  for (const [name, amount] of Object.entries(of.amounts)) if (amount !== 1) said.append("by", `${name}:${amount}`);
  if (of.view === "path" && of.from) said.set("from", of.from);
  if (of.view === "path" && of.to) said.set("to", of.to);
  if (of.within && (of.view === "path" || of.view === "map")) said.set("in", of.within);
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

/** Leaves out what the address says of dimensions that there are not. */
export function leaveOut(isDimension) {
  const { amounts, within, unread } = state;
  const strange = Object.keys(amounts).filter((name) => !isDimension(name));
  const isAstray = within !== null && !isDimension(within);
  state = {
    ...state,
    amounts: Object.fromEntries(Object.entries(amounts).filter(([name]) => isDimension(name))),
    within: isAstray ? null : within,
    unread: [...unread, ...strange.map((name) => `by=${name}:${amounts[name]}`), ...(isAstray ? [`in=${within}`] : [])],
  };
}

/** Changes the question. All that comes while a slider moves (`passing`) is one step of the history. */
export function change(changes, { passing = false } = {}) {
  state = { ...state, unread: [], ...changes };
  const address = written(state);
  if (isPassing) history.replaceState(null, "", address);
  else if (address !== location.pathname + location.search) history.pushState(null, "", address);
  isPassing = passing;
  listeners.forEach((listener) => listener(state));
}

/** A track or a clip joins the examples on one side, and leaves the other. */
export function addExample(example, side) {
  const other = side === "like" ? "unlike" : "like";
  change({
    view: "search",
    [side]: [...state[side].filter((each) => each !== example), example],
    [other]: state[other].filter((each) => each !== example),
  });
}

export function dropExample(example) {
  change({ like: state.like.filter((each) => each !== example), unlike: state.unlike.filter((each) => each !== example) });
}

// A slider that is dragged back to where it began tells of no change: its move ends with the hand or the focus.
for (const name of ["pointerup", "pointercancel", "focusout"]) {
  window.addEventListener(name, () => { isPassing = false; });
}

window.addEventListener("popstate", () => {
  isPassing = false;
  state = read(location.search);
  listeners.forEach((listener) => listener(state));
});
