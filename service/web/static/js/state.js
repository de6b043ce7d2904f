// The question and the address bar are the same thing: a link says all, and the back button goes a step back.
//
//   like, unlike   t:TRACK or c:CLIP, any number of times
//   with, without  tags
//   by             DIMENSION:AMOUNT from -1 (another) over 0 (any) to 1 (the same); what is not named is 1
//   view           search (if left out), map, path or about; from, to, in: of the path and the map

const listeners = [];
let isPassing = false;

export let state = read(location.search);

/** Calls `listener` with the new state whenever it changes. */
export const onChange = (listener) => listeners.push(listener);

function read(search) {
  const given = new URLSearchParams(search);
  const amounts = {};
  for (const each of given.getAll("by")) {
    const colon = each.lastIndexOf(":");
    const amount = Number(each.slice(colon + 1));
    if (colon > 0 && Number.isFinite(amount)) amounts[each.slice(0, colon)] = Math.max(-1, Math.min(1, amount));
  }
  const examples = (name) => given.getAll(name).filter((each) => /^[tc]:./.test(each));
  const tags = {};
  given.getAll("with").forEach((tag) => { tags[tag] = 1; });
  given.getAll("without").forEach((tag) => { tags[tag] = -1; });
  const views = ["search", "map", "path", "about"];
  return {
    view: views.includes(given.get("view")) ? given.get("view") : "search",
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

/** Changes the question. All that comes while a slider moves (`passing`) is one step of the history. */
export function change(changes, { passing = false } = {}) {
  state = { ...state, ...changes };
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
