// The map under the mouse, enlarged, with the value of the unit that is pointed at.

import { bitmap, el, printed, sharp } from "./dom.js";
import { paint } from "./colours.js";

const ACROSS = 132, AWAY = 14; // CSS pixels: of the enlarged map, and from the mouse to it

export class Closer {
  constructor(view) {
    this.view = view;
    this.canvas = el("canvas");
    this.name = el("b");
    this.value = el("span");
    this.node = el("div", { className: "in-closer", hidden: true, "aria-hidden": "true" }, this.canvas, this.name, this.value);
  }

  /** unit: pointed at by this event; top: the largest number of its layer, for its colour. */
  show(event, unit, top) {
    const { view, canvas, node } = this, { name, out, shape: [, rows, cols] } = view.net.layers[unit.layer], size = rows * cols;
    const small = bitmap(cols, rows), high = Math.round((ACROSS * rows) / cols), [w, h] = [ACROSS / cols, high / rows];
    paint(view.theme, small.words, out.subarray(unit.map * size, (unit.map + 1) * size), top);
    small.put();
    node.hidden = false;
    Object.assign(canvas.style, { width: `${ACROSS}px`, height: `${high}px` });
    const context = sharp(canvas, ACROSS, high);
    context.drawImage(small.canvas, 0, 0, ACROSS, high);
    Object.assign(context, { strokeStyle: view.theme.mark, lineWidth: 2 });
    context.strokeRect(unit.col * w + 1, unit.row * h + 1, Math.max(w - 2, 1), Math.max(h - 2, 1));
    this.name.textContent = `${name}, map ${unit.map}`;
    this.value.textContent = `${size > 1 ? `row ${unit.row}, column ${unit.col}: ` : ""}${printed(out[unit.map * size + unit.row * cols + unit.col])}`;
    const { clientWidth, clientHeight } = document.documentElement, box = node.getBoundingClientRect();
    const beside = (at, length, all) => (at + AWAY + length > all ? Math.max(0, at - AWAY - length) : at + AWAY);
    node.style.left = `${beside(event.clientX, box.width, clientWidth)}px`;
    node.style.top = `${beside(event.clientY, box.height, clientHeight)}px`;
  }

  hide() {
    this.node.hidden = true;
  }
}
