// What a visitor may change before a network learns.

import { el } from "../../mnist_lib/widgets/js/dom.js";

const RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 10], BATCHES = [8, 16, 32, 64], COUNTS = [100, 200, 500, 1000, 2000], STEPS = 500;

export class Settings {
  constructor(most) {
    const choice = (values, first) => el("select", {}, ...values.map((v) => el("option", { value: v, selected: v === first }, v.toLocaleString("en"))));
    this.rate = choice(RATES, 0.1);
    this.batch = choice(BATCHES, 32);
    this.digits = choice(COUNTS.filter((n) => n <= most), Math.min(most, COUNTS.at(-1)));
    this.augment = el("input", { type: "checkbox", checked: true });
    const label = (name, node) => el("label", {}, name, node);
    this.node = el("details", { className: "in-settings" }, el("summary", {}, "Settings, from the next start on"),
      el("div", { className: "in-unit" }, label("learning rate", this.rate), label("digits a step", this.batch),
        label("digits to learn from", this.digits)),
      el("label", { className: "in-switch" }, this.augment, "turn, move and slant each digit a little, anew every time"));
  }

  get values() {
    const { rate, batch, digits, augment } = this;
    return { rate: +rate.value, batch: +batch.value, digits: +digits.value, augment: augment.checked, steps: STEPS };
  }
}
