// Test digits to choose from: one of each, any by its number, or one that is misread.

import { bitmap, el, within, withArticle } from "./dom.js";
import { paintInk } from "./colours.js";
import { SIDE } from "./network.js";

export class Digits {
  /** network: {labels, reads, places}, as Python gives them; a label of -1 is unknown. take(i): one was chosen. */
  constructor(network, pad, take) {
    const { labels } = network;
    Object.assign(this, { pad, count: labels.length });
    const firsts = [...new Set(labels)].filter((digit) => digit >= 0).sort((a, b) => a - b).map((digit) => labels.indexOf(digit));
    this.small = firsts.map((i) => ({ i, grey: bitmap(SIDE, SIDE) }));
    const strip = this.small.map(({ i, grey }) =>
      el("button", { className: "in-digit", onclick: () => take(i), "aria-label": `Take ${withArticle(labels[i])}` }, grey.canvas));
    this.note = el("p", { className: "in-quiet", role: "status" });
    this.number = el("input", {
      type: "number", min: 0, max: this.count - 1, value: 0, "aria-label": "Number of the test digit",
      onchange: () => {
        this.note.textContent = +this.number.value >= this.count ? `The last one here has the number ${this.count - 1}.` : "";
        take(within(+this.number.value, 0, this.count - 1));
      },
    });
    const step = (by, name, sign) =>
      el("button", { onclick: () => take(((pad.chosen ?? (by > 0 ? -1 : 0)) + by + this.count) % this.count), "aria-label": name }, sign);
    this.wrong = el("select", { onchange: () => this.wrong.value && take(+this.wrong.value), "aria-label": "Misread digits" });
    this.judge(network);
    this.node = el("section", { className: "in-digits" }, el("h3", {}, "Or take a test digit"),
      strip.length ? el("div", { className: "in-strip" }, ...strip) : null,
      el("div", { className: "in-tools" }, step(-1, "The test digit before", "‹"), this.number, step(1, "The next test digit", "›"),
        this.wrong), this.note);
  }

  /** Lists those that this network misreads. */
  judge({ labels, reads, places }) {
    const wrong = labels.map((_, i) => i).filter((i) => labels[i] >= 0 && labels[i] !== reads[i]);
    this.wrong.hidden = !wrong.length;
    this.wrong.replaceChildren(el("option", { value: "" }, `Misread (${wrong.length})`),
      ...wrong.map((i) => el("option", { value: i }, `no. ${places[i]}: ${withArticle(labels[i])}, read as ${reads[i]}`)));
  }

  draw(theme) {
    const { chosen } = this.pad;
    if (chosen !== null) this.number.value = chosen;
    this.wrong.value = chosen ?? "";
    if (this.wrong.selectedIndex < 0) this.wrong.value = "";
    if (this.theme === theme) return;
    this.theme = theme;
    for (const { i, grey } of this.small) {
      paintInk(theme, grey.words, this.pad.digit(i));
      grey.put();
    }
  }
}
