// One pixel poisoned: what dies of it; and the reverse, which pixels kill one unit.

import { el, many, within } from "./dom.js";
import { SIDE } from "./network.js";
import { killers, poison } from "./questions.js";
import { UnitInputs } from "./units.js";

const DELAY = 60; // milliseconds before the reverse is tried, so that a drawing hand does not wait for it

export class Poison {
  title = "Poison";

  constructor(view) {
    Object.assign(this, { view, pixel: { row: 13, col: 14 }, killed: null });
    const set = (key) => (e) => this.set({ ...this.pixel, [key]: +e.target.value });
    this.places = ["row", "col"].map((key) => el("input", { type: "number", min: 0, max: SIDE - 1, onchange: set(key) }));
    this.table = el("tbody");
    this.inputs = new UnitInputs(view, "row", "col");
    this.end = el("p");
    this.reverse = el("p");
    this.nodes = [
      el("h3", {}, "Poison one pixel"),
      el("p", {}, "Click a pixel of what the network is shown. It becomes NaN, “not a number”, and so does every unit that "
        + "depends on it, in purple."),
      el("div", { className: "in-unit" }, ...["row", "column"].map((name, i) => el("label", {}, name, this.places[i]))),
      el("table", { className: "in-dead" },
        el("thead", {}, el("tr", {}, ...["layer", "places that die", "of"].map((text) => el("th", {}, text)))), this.table),
      this.end, el("h3", {}, "The reverse: which pixels kill one unit?"), this.inputs.node, this.reverse,
    ];
  }

  set({ row, col }) {
    this.pixel = { row: within(row, 0, SIDE - 1), col: within(col, 0, SIDE - 1) };
    this.view.refresh();
  }

  /** Leaves the poisoned maps in the view's twin. */
  poisoned() {
    poison(this.view.twin, this.view.image, this.pixel, this.view.off);
    return this.view.twin.layers;
  }

  draw() {
    this.places[0].value = this.pixel.row, this.places[1].value = this.pixel.col;
    this.inputs.draw();
    const counts = this.view.twin.layers.map(({ name, shape: [maps, height, width], out }) => {
      const size = height * width;
      const dies = (place) => Array.from({ length: maps }, (_, m) => out[m * size + place]).some(Number.isNaN);
      return { name, size, dead: Array.from({ length: size }, (_, place) => place).filter(dies).length };
    });
    this.table.replaceChildren(...counts.map(({ name, dead, size }) =>
      el("tr", {}, el("th", {}, name), ...[dead, size].map((n) => el("td", { className: "in-number" }, String(n))))));
    const end = counts.find(({ dead, size }) => dead === size);
    this.end.textContent = end ? `From ${end.name} on nothing is left: every number there depends on this pixel.` : "";
    this.kill();
  }

  kill() {
    const { view } = this, { row, col } = view.unit, key = JSON.stringify([view.unit, view.off]);
    if (key === this.key) return;
    this.key = key;
    this.killed = null;
    this.reverse.textContent = "Trying every row and every column …";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (view.stopped) return;
      this.killed = killers(view.net.twin(), view.unit);
      const n = this.killed.reduce((a, b) => a + b, 0), { name } = view.net.layers[view.unit.layer];
      this.reverse.textContent = `${many(n, "pixel")} of 784 kill ${name}, row ${row}, column ${col}: they are tinted orange.`;
      view.refresh();
    }, DELAY);
  }

  over(context, px, theme) {
    context.fillStyle = theme.mark;
    context.globalAlpha = 0.35;
    const edge = (i) => Math.round(i * px); // whole pixels, so that no seams show
    this.killed?.forEach((kills, p) => {
      const row = Math.floor(p / SIDE), col = p % SIDE;
      if (kills) context.fillRect(edge(col), edge(row), edge(col + 1) - edge(col), edge(row + 1) - edge(row));
    });
    context.globalAlpha = 1;
    const [x, y] = [this.pixel.col * px, this.pixel.row * px];
    context.fillStyle = theme.dead;
    context.fillRect(x, y, px, px);
    context.beginPath();
    context.arc(x + px / 2, y + px / 2, 1.7 * px, 0, 7);
    for (const [colour, width] of [[theme.paper, 5], [theme.dead, 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
  }
}
