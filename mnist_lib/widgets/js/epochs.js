// The slider over the snapshots of one training.

import { el, many } from "./dom.js";

export class Epochs {
  constructor(epochs, choose) {
    this.epochs = epochs;
    this.name = el("output");
    const max = epochs.length - 1;
    this.slider = el("input", { type: "range", min: 0, max, step: 1, oninput: () => choose(epochs[+this.slider.value]) });
    this.node = el("label", { className: "in-epochs" }, el("b", {}, "The network"), this.slider, this.name);
  }

  draw(epoch) {
    const text = epoch === null ? "the one that learns" : epoch === 0 ? "before any training" : `after ${many(epoch, "epoch")}`;
    if (epoch !== null) this.slider.value = this.epochs.indexOf(epoch);
    this.name.value = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
