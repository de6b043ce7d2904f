// Which point is nearest, and which lie inside a lasso: a grid over the square, so that neither looks at all of them.

const CELLS = 128;
const cellOf = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(value * CELLS)));

export class Grid {
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      cells[i] = cellOf(points[2 * i + 1]) * CELLS + cellOf(points[2 * i]);
      this.starts[cells[i] + 1] += 1;
    }
    for (let i = 0; i < CELLS * CELLS; i += 1) this.starts[i + 1] += this.starts[i];
    this.inside = new Uint32Array(count);
    const next = this.starts.slice();
    for (let i = 0; i < count; i += 1) this.inside[next[cells[i]]++] = i;
  }

  * within(left, top, right, bottom) {
    for (let row = cellOf(top); row <= cellOf(bottom); row += 1) {
      const from = this.starts[row * CELLS + cellOf(left)];
      const to = this.starts[row * CELLS + cellOf(right) + 1];
      for (let at = from; at < to; at += 1) yield this.inside[at];
    }
  }

  /** The point nearest to a place, no farther than `reach`; -1 if there is none. */
  nearest(x, y, reach) {
    let found = -1;
    let best = reach * reach;
    for (const i of this.within(x - reach, y - reach, x + reach, y + reach)) {
      const squared = (this.points[2 * i] - x) ** 2 + (this.points[2 * i + 1] - y) ** 2;
      if (squared <= best) { best = squared; found = i; }
    }
    return found;
  }

  /** The nearest point that lies in a direction: where an arrow key leads. */
  towards(from, dx, dy) {
    const [x, y] = [this.points[2 * from], this.points[2 * from + 1]];
    let found = -1;
    let best = Infinity;
    // Within half of `reach` all has been seen; a reach of 1 covers the square from anywhere in it.
    for (let reach = 1 / CELLS; reach <= 1 && best > reach / 2; reach *= 2) {
      for (const i of this.within(x - reach, y - reach, x + reach, y + reach)) {
        const [gx, gy] = [this.points[2 * i] - x, this.points[2 * i + 1] - y];
        const along = gx * dx + gy * dy;
        const length = Math.hypot(gx, gy);
        if (i !== from && along > 0.6 * length && length > 0 && length < best) { best = length; found = i; }
      }
    }
    return found;
  }

  /** Points inside a polygon of [x, y] corners. */
  inPolygon(corners) {
    if (corners.length < 3) return [];
    const xs = corners.map(([x]) => x);
    const ys = corners.map(([, y]) => y);
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    const isIn = (x, y) => {
      let inside = false;
      for (let i = 0, j = corners.length - 1; i < corners.length; j = i, i += 1) {
        const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      return inside;
    };
    return [...this.within(...box)].filter((i) => isIn(this.points[2 * i], this.points[2 * i + 1]));
  }
}
