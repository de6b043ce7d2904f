// Making elements without writing HTML as text: nothing that a file's tags say can become markup.

/** An element: attributes by name, `on…` as listeners, `true` as an empty attribute; null children are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A text for people, as parts of an element: what stands between backticks is code. */
export const spoken = (text) => text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? element("code", {}, part) : part)).filter(Boolean);

export const byId = (id) => document.getElementById(id);

/** 83 seconds as 1:23. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A notice with what to do next. */
export function notice(title, text, { bad = false, action = null } = {}) {
  return element("div", { class: bad ? "notice bad" : "notice", role: bad ? "alert" : null },
    element("h2", {}, title), element("p", {}, ...spoken(text)), action);
}

/** Replaces what waits: only the last call within `ms` happens. */
export function settled(ms, work) {
  let timer = 0;
  return (...all) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...all), ms);
  };
}

/** Does `work`, which replaces what is in a box. If the focus was in there, it goes on to what `next` says of the element
 * that had it and its place among those of `selector`; the page scrolls there only for those who go by keys. */
export function keepingFocus(box, selector, work, next) {
  const had = box.contains(document.activeElement) ? document.activeElement : null;
  const isByKeys = had?.matches(":focus-visible");
  const place = [...box.querySelectorAll(selector)].indexOf(had);
  work();
  if (had) next(had, place)?.focus({ preventScroll: !isByKeys });
}

/** One of several: `names` are pairs of a value and its words, `choose` gets the value. */
export function choices(legend, group, names, choose) {
  return element("fieldset", { class: "choices" }, element("legend", {}, legend), ...names.map(([value, words]) =>
    element("label", {}, element("input", { type: "radio", name: group, value, onchange: () => choose(value) }),
      element("span", {}, words))));
}

/** Shows which of the choices of a group holds. */
export function choose(box, group, value) {
  for (const input of box.querySelectorAll(`[name="${group}"]`)) input.checked = input.value === value;
}
