// The map that is pointed at, enlarged, with the value of the unit, and beside it what the unit sees of the digit.

import { bitmap, el, printed, sharp } from "./dom.js";
import { paint, paintInk } from "./colours.js";
import { SIDE } from "./network.js";
import { outline } from "./shown.js";

const ACROSS = 132, AWAY = 14; // CSS pixels: of the enlarged map, and from the mouse to it

export class Closer {
  constructor(view) {
    this.view = view;
    this.canvas = el("canvas"), this.digit = el("canvas"), this.grey = bitmap(SIDE, SIDE);
    this.name = el("b");
    this.value = el("span");
    this.sees = el("span", { className: "in-quiet" }, "its box on the digit: what it sees");
    this.node = el("div", { className: "in-closer", hidden: true, "aria-hidden": "true" }, el("div", { className: "in-closers" }, this.canvas, this.digit), this.name, this.value, this.sees);
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
    this.showDigit(unit);
    this.name.textContent = `${name}, map ${unit.map}`;
    this.value.textContent = `${size > 1 ? `row ${unit.row}, column ${unit.col}: ` : ""}${printed(out[unit.map * size + unit.row * cols + unit.col])}`;
    this.place(event);
  }

  // Below what is pointed at, since what that is made of lies above; where there is no room, beside the maps.
  place({ clientX, clientY }) {
    const { clientWidth, clientHeight } = document.documentElement, { width, height } = this.node.getBoundingClientRect();
    const maps = this.node.parentNode.getBoundingClientRect(), below = clientY + AWAY + height <= clientHeight;
    const sides = [maps.right + AWAY, maps.left - AWAY - width, Math.max(0, clientX - AWAY - width)];
    const beside = sides.find((left) => left >= 0 && left + width <= clientWidth);
    const left = below ? Math.max(0, Math.min(clientX + AWAY, clientWidth - width)) : beside;
    Object.assign(this.node.style, { left: `${left}px`, top: `${below ? clientY + AWAY : Math.max(0, clientHeight - height - AWAY)}px` });
  }

  showDigit(unit) {
    const { view: { theme, image, net }, digit, grey } = this;
    paintInk(theme, grey.words, image);
    grey.put();
    Object.assign(digit.style, { width: `${ACROSS}px`, height: `${ACROSS}px` });
    const context = sharp(digit, ACROSS, ACROSS);
    context.drawImage(grey.canvas, 0, 0, ACROSS, ACROSS);
    outline(context, ACROSS / SIDE, theme, net.layers[unit.layer].field, unit);
  }

  hide() {
    this.node.hidden = true;
  }
}
