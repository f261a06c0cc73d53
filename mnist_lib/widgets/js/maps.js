// Every map of every layer, with the chosen unit and the units that it is made of.

import { bitmap, el, many, sharp } from "./dom.js";
import { Closer } from "./closer.js";
import { largest, paint } from "./colours.js";
import { Lines } from "./lines.js";
import { SIDE } from "./network.js";

const MAP_GAP = 3; // CSS pixels between maps
const LARGEST = 72, FLAT = 24; // the largest tile of a map, and of a layer of single numbers
const KEYS = {
  ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], PageUp: [-1, 0, 0], PageDown: [1, 0, 0],
  Enter: [0, 0, 0],
};

export class Maps {
  /** choose(unit, byHand): one was clicked, or reached by keyboard. epochs: the slider's element. */
  constructor(view, choose, epochs) {
    Object.assign(this, { view, choose });
    const { layers } = view.net, learnt = view.network.parameters.toLocaleString("en");
    const shown = layers.reduce((n, layer) => n + layer.out.length, 0).toLocaleString("en");
    this.closer = new Closer(view);
    this.lines = new Lines(this);
    this.rows = layers.map((layer, i) => this.row(layer, i));
    this.node = el("section", { className: "in-maps" }, el("h3", {}, "Every map, layer by layer"),
      el("p", { className: "in-quiet" }, `The network’s ${learnt} learnt numbers turn the digit into these ${shown}. `,
        el("b", { className: "in-blue" }, "Blue"), " is above zero, ", el("b", { className: "in-orange" }, "orange"),
        " below; the stronger the colour, the larger the number in its layer. Click any of them to see where it comes from."),
      epochs, ...this.rows.map(({ figure }) => figure), this.lines.node, this.closer.node);
  }

  row(layer, i) {
    const [maps, height, width] = layer.shape;
    const single = height * width === 1;
    const size = single ? many(maps, "number") : `${many(maps, "map")} of ${height}×${width}`;
    const canvas = el("canvas", {
      tabIndex: 0, role: "application",
      "aria-label": `${layer.name}: ${size}. Arrow keys move the chosen unit, Page Up and Page Down change the map.`,
      onclick: (e) => this.click(i, e), onpointermove: (e) => this.point(i, e), onpointerleave: () => this.away(), onkeydown: (e) => this.key(i, e),
      onfocus: () => this.reach(i), onblur: () => this.away(),
    });
    const figure = el("figure", {}, el("figcaption", {}, el("b", {}, layer.name), ` ${size} · ${seen(layer.field)}`), canvas);
    return { figure, canvas, atlas: bitmap(width, height * maps), single };
  }

  // How large each layer's tiles are, and how many lie in a line.
  layout() {
    const width = this.view.widthOf(this.node);
    if (this.laid === width || width < 50) return;
    this.laid = width;
    const across = width >= 480 ? 16 : 8;
    this.view.net.layers.forEach(({ shape: [maps, rows, cols] }, i) => {
      const { single } = this.rows[i];
      const tile = Math.min(single ? FLAT : LARGEST, Math.floor((width + MAP_GAP) / (single ? 16 : across)) - MAP_GAP);
      const high = Math.max(4, Math.round((tile * rows) / cols));
      const columns = Math.max(1, Math.floor((width + MAP_GAP) / (tile + MAP_GAP)));
      const size = [Math.min(maps, columns) * (tile + MAP_GAP) - MAP_GAP, Math.ceil(maps / columns) * (high + MAP_GAP) - MAP_GAP];
      Object.assign(this.rows[i], { tile, high, columns, size });
      Object.assign(this.rows[i].canvas.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    });
  }

  corner({ tile, high, columns }, map) {
    return [(map % columns) * (tile + MAP_GAP), Math.floor(map / columns) * (high + MAP_GAP)];
  }

  draw(theme, { dead, cone }) {
    this.layout();
    if (!this.laid) return;
    this.view.net.layers.forEach((layer, i) => {
      const row = this.rows[i], { canvas, atlas, tile, high } = row, [maps, rows, cols] = layer.shape;
      const top = (row.top = largest(layer.out));
      paint(theme, atlas.words, layer.out, top);
      dead?.[i].out.forEach((v, j) => v !== v && (atlas.words[j] = theme.deadWord));
      atlas.put();
      const context = sharp(canvas, ...row.size);
      for (let m = 0; m < maps; m++) context.drawImage(atlas.canvas, 0, m * rows, cols, rows, ...this.corner(row, m), tile, high);
      this.outlineEmpty(context, row, layer, theme);
      if (i === this.rows.length - 1) this.names(context, row, layer, theme, top, Boolean(dead));
      this.mark(context, row, i, theme, cone);
    });
    if (this.pointed) this.closeUp(...this.pointed);
  }

  // A map that is zero everywhere would not be seen at all.
  outlineEmpty(context, row, { out, shape: [maps, rows, cols] }, theme) {
    const size = rows * cols;
    Object.assign(context, { strokeStyle: theme.quiet, lineWidth: 0.5 });
    for (let m = 0; m < maps; m++) {
      if (out.subarray(m * size, (m + 1) * size).some((v) => v !== 0)) continue;
      const [x, y] = this.corner(row, m);
      context.strokeRect(x + 0.5, y + 0.5, row.tile - 1, row.high - 1);
    }
  }

  // Which answer each of the last numbers is.
  names(context, row, layer, theme, top, dead) {
    Object.assign(context, { font: "600 11px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
    layer.out.forEach((v, m) => {
      const [x, y] = this.corner(row, m);
      context.fillStyle = dead || Math.abs(v) / top > 0.35 ? theme.paper : theme.ink;
      context.fillText(String(m), x + row.tile / 2, y + row.high / 2 + 0.5);
    });
  }

  // The chosen unit; in the layers before it the units that it is made of, if `cone`; the map that is off.
  mark(context, row, i, theme, cone) {
    const { unit, off, net } = this.view, { tile, high } = row, [maps, rows, cols] = net.layers[i].shape;
    const box = (map, [top, bottom], [left, right]) => {
      const [x, y] = this.corner(row, map);
      const [t, b] = [Math.max(top, 0), Math.min(bottom, rows - 1)], [l, r] = [Math.max(left, 0), Math.min(right, cols - 1)];
      const [w, h] = [tile / cols, high / rows];
      context.rect(x + l * w + 0.5, y + t * h + 0.5, (r - l + 1) * w - 1, (b - t + 1) * h - 1);
    };
    const whole = (map) => box(map, [0, rows - 1], [0, cols - 1]);
    context.beginPath();
    context.lineWidth = 1;
    if (cone && i < unit.layer) {
      const field = net.layers[unit.layer].cone[i], made = this.madeOf(unit, i);
      for (let m = 0; m < maps; m++) if (made === null || made.has(m)) box(m, field.rows[unit.row], field.cols[unit.col]);
    }
    if (i === unit.layer) {
      whole(unit.map);
      if (cone) box(unit.map, [unit.row, unit.row], [unit.col, unit.col]);
      context.lineWidth = 2;
    }
    context.strokeStyle = theme.mark;
    context.stroke();
    if (off?.layer !== i) return;
    const [x, y] = this.corner(row, off.map);
    context.beginPath();
    context.moveTo(x, y), context.lineTo(x + tile, y + high), context.moveTo(x + tile, y), context.lineTo(x, y + high);
    context.strokeStyle = theme.dead;
    context.lineWidth = 2;
    context.stroke();
  }

  // Pooling, skips and grouped convolutions take some maps only: which maps of layer i is a unit made of? null: of all.
  madeOf(unit, i) {
    const { layers } = this.view.net, made = layers.map(() => new Set());
    made[unit.layer].add(unit.map);
    for (let k = unit.layer; k > i; k--) {
      const { kind, groups, inputs, shape, steps } = layers[k];
      if (groups === 1) return null;
      const [takes, gives] = kind === "conv" ? [inputs[0] / groups, shape[0] / groups] : [1, 1];
      for (const map of made[k]) {
        for (let j = 0; j < takes; j++) made[k - 1].add(Math.floor(map / gives) * takes + j);
        for (const step of steps) if (step.kind === "Add") made[step.layer].add(map);
      }
    }
    return made[i];
  }

  // Which unit of layer i an event points at; null between the maps.
  unitAt(i, event) {
    const { canvas, tile, high, columns } = this.rows[i], [maps, rows, cols] = this.view.net.layers[i].shape;
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const column = Math.floor(x / (tile + MAP_GAP)), line = Math.floor(y / (high + MAP_GAP)), map = line * columns + column;
    if (map >= maps || column >= columns) return null;
    const [left, top] = [x - column * (tile + MAP_GAP), y - line * (high + MAP_GAP)];
    return { layer: i, map, row: Math.floor((top / high) * rows), col: Math.floor((left / tile) * cols) };
  }

  click(i, event) {
    const unit = this.unitAt(i, event);
    this.away();
    if (unit) this.choose(unit, true);
  }

  // The unit under the mouse, or where the keyboard is: enlarged, with its value, what it sees and what it is made of.
  point(i, event) {
    const unit = event.pointerType === "mouse" ? this.unitAt(i, event) : null, [, rows, cols] = this.view.net.layers[i].shape;
    if (unit && unit.row < rows && unit.col < cols && unit.row >= 0 && unit.col >= 0) this.closeUp(unit, event);
    else this.away();
  }

  reach(i) {
    const { canvas } = this.rows[i], { unit } = this.view;
    if (!canvas.matches(":focus-visible")) return;
    const here = unit.layer === i ? unit : { layer: i, map: 0, row: 0, col: 0 }, box = canvas.getBoundingClientRect();
    const [x, y] = this.corner(this.rows[i], here.map), { tile } = this.rows[i];
    this.closeUp(here, { clientX: box.left + x + tile, clientY: box.top + y });
  }

  closeUp(unit, event) {
    this.pointed = [unit, event];
    this.closer.show(event, unit, this.rows[unit.layer].top);
    this.lines.draw(this.view.theme, unit);
  }

  away() {
    this.pointed = null;
    this.closer.hide();
    this.lines.hide();
  }

  key(i, event) {
    const by = KEYS[event.key], { unit } = this.view;
    if (!by) return;
    event.preventDefault();
    const here = unit.layer === i ? unit : { map: 0, row: 0, col: 0 };
    this.choose({ layer: i, map: here.map + by[0], row: here.row + by[1], col: here.col + by[2] });
    this.reach(i);
  }
}

function seen({ rows, cols }) {
  const all = (axis) => axis.every(([first, last]) => first <= 0 && last >= SIDE - 1);
  if (all(rows) && all(cols)) return "each sees the whole image";
  const [high, wide] = [rows, cols].map((axis) => Math.max(...axis.map(([first, last]) => last - first + 1)));
  return `each sees ${high}×${wide} pixels`;
}
