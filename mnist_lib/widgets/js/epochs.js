// The slider over the snapshots of one training.

import { el, many } from "./dom.js";

const MOMENT = 900; // milliseconds

export class Epochs {
  constructor(epochs, choose) {
    this.epochs = epochs;
    this.name = el("output");
    const max = epochs.length - 1;
    this.slider = el("input", { type: "range", min: 0, max, step: 1, oninput: () => choose(epochs[+this.slider.value]) });
    this.button = el("button", { className: "in-play", onclick: () => (this.playing ? this.stop() : this.play()) }, "Play");
    this.choose = choose;
    this.node = el("label", {}, el("b", {}, "The network"), this.slider, this.name);
    this.node = el("div", { className: "in-epochs" }, this.node, this.button);
  }

  /** From the first to the last, a moment each; once at the last, from the first again. */
  play(from = +this.slider.value) {
    const { epochs } = this, next = this.playing ? from + 1 : from === epochs.length - 1 ? 0 : from + 1;
    this.playing = setTimeout(() => (next < epochs.length - 1 ? this.play(next) : this.stop()), MOMENT);
    this.button.textContent = "Stop";
    this.choose(epochs[next]);
  }

  stop() {
    clearTimeout(this.playing);
    this.playing = null;
    this.button.textContent = "Play";
  }

  draw(epoch) {
    const text = epoch === null ? "the one that learns" : epoch === 0 ? "before any training" : `after ${many(epoch, "epoch")}`;
    if (epoch !== null) this.slider.value = this.epochs.indexOf(epoch);
    this.name.value = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
