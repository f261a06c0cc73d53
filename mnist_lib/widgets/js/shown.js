// What the network is shown, 28 x 28, and beside it the chosen map, both large enough to point at a single number.

import { bitmap, el, sharp, within } from "./dom.js";
import { paint, paintInk } from "./colours.js";
import { SIDE } from "./network.js";

export class Shown {
  /** poison({row, col}): a pixel was clicked; choose(unit): a unit was. */
  constructor(view, { poison, choose, prepare }) {
    Object.assign(this, { view, grey: bitmap(SIDE, SIDE) });
    const at = (canvas, event, rows, cols) => {
      const box = canvas.getBoundingClientRect();
      const place = (position, length, n) => within(Math.floor((position / length) * n), 0, n - 1);
      return { row: place(event.clientY - box.top, box.height, rows), col: place(event.clientX - box.left, box.width, cols) };
    };
    this.image = el("canvas", {
      className: "in-shown", role: "img", title: "Click a pixel to poison it",
      "aria-label": "What the network is shown, 28 by 28 pixels",
    });
    this.image.addEventListener("click", (e) => poison(at(this.image, e, SIDE, SIDE)));
    this.map = el("canvas", { className: "in-shown", role: "img", title: "Click another unit" });
    this.map.addEventListener("click", (e) => {
      const { unit, net } = view, [, rows, cols] = net.layers[unit.layer].shape;
      choose({ ...unit, ...at(this.map, e, rows, cols) });
    });
    this.name = el("b");
    this.about = el("span", { className: "in-quiet" });
    const box = (this.box = el("input", { type: "checkbox", checked: true, onchange: () => prepare(box.checked) }));
    const back = () => view.maps.node.scrollIntoView({ block: "start" });
    this.node = el("section", { className: "in-see" }, el("h3", {}, "What the network is shown"),
      el("button", { className: "in-back", onclick: back }, "Back to the maps"),
      el("div", { className: "in-pair" },
        el("figure", {}, this.image, el("figcaption", {}, "28×28: click any pixel")),
        el("figure", {}, this.map, el("figcaption", {}, this.name))),
      el("div", { className: "in-prepared" },
        el("label", { className: "in-switch" }, box, "prepared as MNIST’s makers did"), this.about));
  }

  draw(theme, { image, dead, over, about }) {
    const { unit, net } = this.view, layer = net.layers[unit.layer], [, rows, cols] = layer.shape;
    const side = this.view.widthOf(this.image) || 176;
    paintInk(theme, this.grey.words, image);
    this.grey.put();
    const context = sharp(this.image, side, side);
    context.drawImage(this.grey.canvas, 0, 0, side, side);
    over?.(context, side / SIDE, theme);
    this.drawMap(theme, layer, rows, cols, side, dead);
    this.name.textContent = `${layer.name}, map ${unit.map}`;
    this.map.setAttribute("aria-label", `${layer.name}, map ${unit.map}, ${rows} by ${cols} units`);
    this.about.textContent = about;
  }

  drawMap(theme, layer, rows, cols, side, dead) {
    const { unit, maps } = this.view, size = rows * cols;
    const part = (out) => out.subarray(unit.map * size, (unit.map + 1) * size);
    if (this.small?.canvas.width !== cols || this.small.canvas.height !== rows) this.small = bitmap(cols, rows);
    paint(theme, this.small.words, part(layer.out), maps.rows[unit.layer].top ?? 1);
    if (dead) part(dead[unit.layer].out).forEach((v, i) => v !== v && (this.small.words[i] = theme.deadWord));
    this.small.put();
    const context = sharp(this.map, side, side), [w, h] = [side / cols, side / rows];
    context.drawImage(this.small.canvas, 0, 0, side, side);
    context.strokeStyle = theme.mark;
    context.lineWidth = 2;
    context.strokeRect(unit.col * w + 1, unit.row * h + 1, w - 2, h - 2);
  }
}

/** The box of a unit's receptive field, over the image. */
export function outline(context, px, theme, { rows, cols }, unit) {
  const [top, left] = [rows[unit.row][0], cols[unit.col][0]].map((v) => Math.max(v, 0));
  const [bottom, right] = [rows[unit.row][1], cols[unit.col][1]].map((v) => Math.min(v, SIDE - 1));
  context.strokeStyle = theme.mark;
  context.lineWidth = 2;
  context.strokeRect(left * px + 1, top * px + 1, (right - left + 1) * px - 2, (bottom - top + 1) * px - 2);
}
