// Mouse, finger and keys on the map: drag to move, scroll or pinch to come closer, hover, click, lasso.

const CLICK_PIXELS = 4;

/** `view` has x, y and scale; `say` gets moved, hovered, clicked, lassoing (null: no longer), lassoed, stepped
 * and chosen. */
export function makeHands(canvas, view, say) {
  const pointers = new Map();
  let began = null;
  let lasso = null;
  let isLasso = false;
  let spread = 0;
  let isPinch = false;

  const ratio = () => canvas.width / Math.max(1, canvas.clientWidth);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * ratio(), (event.clientY - box.top) * ratio()];
  };
  const onMap = ([px, py]) => [view.x + (px - canvas.width / 2) / view.scale, view.y + (py - canvas.height / 2) / view.scale];

  function zoom(factor, [px, py] = [canvas.width / 2, canvas.height / 2]) {
    const [x, y] = onMap([px, py]);
    view.scale = Math.max(view.least, Math.min(view.least * 400, view.scale * factor));
    view.x = x - (px - canvas.width / 2) / view.scale;
    view.y = y - (py - canvas.height / 2) / view.scale;
    say.moved();
  }

  function dropLasso() {
    if (lasso) say.lassoing(null);
    lasso = null;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    began = place(event);
    spread = 0;
    isPinch = pointers.size > 1;
    dropLasso();
    if (!isPinch && (isLasso || event.shiftKey)) lasso = [onMap(began)];
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) return say.hovered(onMap(now));
    pointers.set(event.pointerId, now);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()];
      const gap = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoom(gap / spread, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
      spread = gap;
    } else if (lasso) {
      lasso.push(onMap(now));
      say.lassoing(lasso);
    } else {
      view.x -= (now[0] - before[0]) / view.scale;
      view.y -= (now[1] - before[1]) / view.scale;
      say.moved();
    }
    return undefined;
  });

  function up(event) {
    const now = place(event);
    if (!pointers.delete(event.pointerId) || !began) return;
    const corners = lasso ?? [];
    dropLasso();
    // A finger lifted after a pinch, or a touch that the browser took away, has chosen nothing.
    if (isPinch || event.type !== "pointerup") return;
    if (corners.length > 2) say.lassoed(corners);
    else if (Math.hypot(now[0] - began[0], now[1] - began[1]) < CLICK_PIXELS * ratio()) say.clicked(onMap(now));
  }
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => say.hovered(null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015), place(event));
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) say.stepped(step);
    else if (event.key === "Enter" || event.key === " ") say.chosen();
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else return;
    event.preventDefault();
  });

  return { zoom, lasso: (is) => { isLasso = is; canvas.classList.toggle("is-lasso", is); } };
}
