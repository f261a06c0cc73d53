// Layer, map, row and column of the chosen unit, to choose by keyboard. Built once, so that the focus stays where it is.

import { el } from "./dom.js";

const WORDS = { map: "map", row: "row", col: "column" };

export class UnitInputs {
  /** wanted: which of "map", "row", "col" beside the layer. */
  constructor(view, ...wanted) {
    this.view = view;
    const choose = (part) => view.setUnit({ ...view.unit, ...part });
    this.layer = el("select", { onchange: () => choose({ layer: +this.layer.value }) },
      ...view.net.layers.map(({ name }, i) => el("option", { value: i }, name)));
    this.numbers = wanted.map((key) => {
      const input = el("input", { type: "number", min: 0, onchange: () => choose({ [key]: +input.value }) });
      return { key, input };
    });
    this.node = el("div", { className: "in-unit" }, el("label", {}, "layer", this.layer),
      ...this.numbers.map(({ key, input }) => el("label", {}, WORDS[key], input)));
  }

  draw() {
    const { unit, net } = this.view, [map, row, col] = net.layers[unit.layer].shape, count = { map, row, col };
    this.layer.value = unit.layer;
    for (const { key, input } of this.numbers) Object.assign(input, { max: count[key] - 1, value: unit[key] });
  }
}
