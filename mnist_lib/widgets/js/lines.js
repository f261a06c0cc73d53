// From the unit that is pointed at to the numbers it is made of, one layer before and where a skip begins: a box around them in each
// map, and a line there.

import { el, sharp } from "./dom.js";

export class Lines {
  /** maps: of maps.js; this lies over them. */
  constructor(maps) {
    this.maps = maps;
    this.node = el("canvas", { className: "in-lines", hidden: true });
    this.node.setAttribute("aria-hidden", "true");
  }

  draw(theme, unit) {
    const { maps, node } = this, { net } = maps.view, { clientWidth, scrollHeight } = maps.node;
    node.hidden = unit.layer === 0; // made of the image
    if (node.hidden) return;
    Object.assign(node.style, { width: `${clientWidth}px`, height: `${scrollHeight}px` });
    const context = sharp(node, clientWidth, scrollHeight), before = unit.layer - 1, { rows, cols } = net.layers[unit.layer].cone[before];
    const same = (layer) => this.box(layer, unit.map, [unit.row, unit.row], [unit.col, unit.col]), [x, y, w, h] = same(unit.layer);
    const made = maps.madeOf(unit, before) ?? Array(net.layers[before].shape[0]).keys();
    const boxes = Array.from(made, (map) => this.box(before, map, rows[unit.row], cols[unit.col]));
    for (const { kind, layer } of net.layers[unit.layer].steps) if (kind === "Add") boxes.push(same(layer));
    Object.assign(context, { strokeStyle: theme.mark, lineWidth: 1 });
    for (const [left, top, wide, high] of boxes) {
      context.globalAlpha = 1;
      context.strokeRect(left, top, wide, high);
      context.globalAlpha = 0.45;
      context.beginPath(), context.moveTo(x + w / 2, y), context.lineTo(left + wide / 2, top + high), context.stroke();
    }
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeRect(x, y, w, h);
  }

  hide() {
    this.node.hidden = true;
  }

  // Where these rows and columns of a map lie over all of the maps.
  box(layer, map, [top, bottom], [left, right]) {
    const row = this.maps.rows[layer], { canvas, tile, high } = row, [, rows, cols] = this.maps.view.net.layers[layer].shape;
    const [x, y] = this.maps.corner(row, map), [t, b] = [Math.max(top, 0), Math.min(bottom, rows - 1)], [l, r] = [Math.max(left, 0), Math.min(right, cols - 1)];
    const [w, h] = [tile / cols, high / rows];
    return [canvas.offsetLeft + x + l * w, canvas.offsetTop + y + t * h, (r - l + 1) * w, (b - t + 1) * h];
  }
}
