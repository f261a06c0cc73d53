// The slider over the snapshots of one training.

import { el, many } from "./dom.js";

const MOMENT = 900; // milliseconds

export class Epochs {
  /** network: {epochs, right}; right: [{right, of}], how many test digits it reads correctly after each epoch, or missing. */
  constructor(network, choose) {
    this.name = el("output");
    this.score = el("span", { className: "in-score" });
    this.slider = el("input", { type: "range", min: 0, step: 1, oninput: () => choose(this.epochs[+this.slider.value]) });
    this.button = el("button", { className: "in-play", onclick: () => (this.playing ? this.stop() : this.play()) }, "Play");
    this.choose = choose;
    this.node = el("div", { className: "in-epochs" }, el("label", {}, el("b", {}, "The network"), this.slider, this.name), this.button, this.score);
    this.set(network);
  }

  /** One epoch leaves nothing to choose. */
  set({ epochs, right = [] }) {
    Object.assign(this, { epochs, right });
    this.slider.max = Math.max(epochs.length - 1, 0);
    this.node.hidden = epochs.length < 2;
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
    const at = this.epochs.indexOf(epoch), { right, of } = this.right[at] ?? {};
    if (at >= 0) this.slider.value = at;
    this.score.textContent = of ? `${((100 * right) / of).toFixed(1)} % of ${many(of, "test digit")} right` : "";
    this.name.value = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
