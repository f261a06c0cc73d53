// A number taken apart: the sum it comes from, and what each step makes of it.

import { bitmap, el, many, printed } from "./dom.js";
import { largest, paint } from "./colours.js";
import { SIDE } from "./network.js";
import { takeApart } from "./questions.js";
import { outline } from "./shown.js";
import { UnitInputs } from "./units.js";

const HEADS = {
  conv: ["from map", "patch", "× kernel", "= sum"], max: ["from map", "patch", "", "largest"], mean: ["from map", "patch", "", "mean"],
  same: ["from map", "", "", "number"],
};
const TOTALS = { max: "the largest", mean: "the mean", same: "the number" };
const PACE = 100; // milliseconds: while the pen moves, the small print follows ten times a second

export class Apart {
  title = "Take apart";
  cone = true;

  constructor(view) {
    Object.assign(this, { view, looked: 0, at: 0, lines: [] });
    this.inputs = new UnitInputs(view, "map", "row", "col");
    this.name = el("span");
    this.result = el("b", { className: "in-result" });
    this.sees = el("p", { className: "in-quiet" });
    this.head = el("tr");
    this.sums = el("tbody");
    this.steps = el("table", { className: "in-steps" });
    this.closer = el("p", { className: "in-quiet" });
    this.grids = el("div", { className: "in-scroll-x", tabIndex: 0, role: "group", "aria-label": "Numbers of one map" });
    this.nodes = [
      el("h3", {}, "Where does this number come from?"), this.inputs.node, el("p", {}, this.name, this.result), this.sees,
      el("div", { className: "in-scroll", tabIndex: 0, role: "group", "aria-label": "The sums" },
        el("table", { className: "in-sums" }, el("thead", {}, this.head), this.sums)),
      this.steps, el("div", { className: "in-close" }, this.closer, this.grids),
    ];
  }

  draw(theme) {
    const { unit, net, pad } = this.view, now = performance.now();
    clearTimeout(this.later);
    if (pad.stroke && now - this.at < PACE) {
      this.later = setTimeout(() => this.view.refresh(), PACE);
      return;
    }
    this.at = now;
    const parts = takeApart(net, unit), layer = net.layers[unit.layer];
    this.inputs.draw();
    this.name.textContent = `${this.view.unitName()} is `;
    this.result.textContent = this.view.isOff(unit) ? "0, switched off" : printed(parts.result);
    this.sees.textContent = sight(layer.field, unit);
    this.drawSums(theme, parts);
    this.drawSteps(parts);
    this.drawCloser(parts.rows.find(({ map }) => map === this.looked) ?? parts.rows[0]);
  }

  drawSums(theme, { kind, rows }) {
    const key = JSON.stringify(this.view.unit);
    if (key !== this.key) {
      this.key = key;
      this.head.replaceChildren(...HEADS[kind].map((text) => el("th", {}, text)));
      this.lines = rows.map((row) => this.line(row));
      this.sums.replaceChildren(...this.lines.map(({ node }) => node));
    }
    const top = largest(rows.flatMap(({ patch }) => patch)), strong = largest(rows.flatMap(({ kernel }) => kernel ?? []));
    rows.forEach((row, i) => {
      const { patch, kernel, sum } = this.lines[i];
      const fill = (small, values, top) => (paint(theme, small.words, values, top), small.put());
      fill(patch, row.patch, top);
      if (kernel) fill(kernel, row.kernel, strong);
      sum.textContent = printed(row.sum);
    });
  }

  line({ map, patch, kernel, width }) {
    const small = () => bitmap(width, patch.length / width, el("canvas", { className: "in-patch" }));
    const name = this.view.unit.layer ? String(map) : "the image";
    const look = el("button", { className: "in-look", "aria-label": `Show the numbers of map ${name}`,
      onclick: () => ((this.looked = map), this.view.refresh()) }, name);
    const line = { patch: small(), kernel: kernel && small(), sum: el("td", { className: "in-number" }) };
    const cells = [look, line.patch.canvas, line.kernel?.canvas ?? ""].map((content) => el("td", {}, content));
    return { ...line, node: el("tr", {}, ...cells, line.sum) };
  }

  drawSteps({ kind, rows, bias, total, steps }) {
    const line = (what, value, note = null) =>
      el("tr", {}, el("th", {}, what, note && el("small", {}, note)), el("td", { className: "in-number" }, printed(value)));
    const sum = kind !== "conv" ? [line(TOTALS[kind], total)] : [
      line(rows.length > 1 ? `sum of ${many(rows.length, "map")}` : "the sum", total - bias), line("+ bias", bias), line("=", total),
    ];
    const lines = {
      ReLU: ({ before, after }) => [line("ReLU", after, before < 0 ? "below 0 becomes 0" : "above 0 stays")],
      BatchNorm: (step) => [line("BatchNorm", step.after, formula(step))],
      Add: ({ name, added, after }) => [line(`+ the same place of ${name}`, added), line("=", after)],
    };
    this.steps.replaceChildren(...sum, ...steps.flatMap((step) => lines[step.kind](step)));
  }

  drawCloser({ map, patch, kernel, width }) {
    const from = this.view.unit.layer ? `Map ${map}` : "The image";
    this.closer.textContent = kernel ? `${from} closer: patch × kernel, number by number` : `${from} closer`;
    const grid = (values) => el("table", { className: "in-grid-numbers" }, ...Array.from({ length: values.length / width }, (_, y) =>
      el("tr", {}, ...values.slice(y * width, (y + 1) * width).map((v) => el("td", {}, printed(v, 2))))));
    this.grids.replaceChildren(grid(patch), ...(kernel ? [el("span", {}, "×"), grid(kernel)] : []));
  }

  over(context, px, theme) {
    const { unit, net } = this.view;
    outline(context, px, theme, net.layers[unit.layer].field, unit);
  }
}

function formula({ before, mean, variance, weight, bias }) {
  const text = `(${printed(before)} − ${printed(mean)}) / √(${printed(variance)} + ε) × ${printed(weight)} + ${printed(bias)}`;
  return text.replace("+ −", "− ").replace("− −", "+ ");
}

function sight({ rows, cols }, unit) {
  const [top, bottom] = rows[unit.row], [left, right] = cols[unit.col];
  const beyond = top < 0 || left < 0 || bottom >= SIDE || right >= SIDE;
  const size = `${bottom - top + 1}×${right - left + 1}`;
  return `It sees the ${size} pixels in the orange box${beyond ? ", padding beyond the edges counted." : "."}`;
}
