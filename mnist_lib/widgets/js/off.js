// One map switched off: what becomes of this digit's answer, and of a thousand.

import { el, percent, printed } from "./dom.js";
import { best, softmax } from "./questions.js";
import { UnitInputs } from "./units.js";

const MANY = 1000; // digits that are read at most
const SLICE = 20; // milliseconds of reading between two looks at the screen

export class Off {
  title = "Switch off";

  constructor(view) {
    Object.assign(this, { view, reading: null, told: null });
    const { labels } = view.network;
    this.known = labels.map((_, i) => i).filter((i) => labels[i] >= 0).slice(0, MANY);
    const count = this.known.length.toLocaleString("en");
    this.inputs = new UnitInputs(view, "map");
    this.box = el("input", { type: "checkbox", onchange: () => view.switchOff(this.box.checked ? view.unit : null) });
    this.name = el("span");
    this.change = el("p");
    this.table = el("table", { className: "in-compare" });
    this.progress = el("progress", { max: 1, value: 0, hidden: true, "aria-label": "Test digits read" });
    this.tested = el("p", { role: "status" });
    this.all = el("button", { onclick: () => this.overMany() }, `Read ${count} test digits without it`);
    this.nodes = [
      el("h3", {}, "What is one map good for?"), this.inputs.node, el("label", { className: "in-switch" }, this.box, this.name),
      this.change, this.table, ...(this.known.length ? [this.all] : []), this.progress, this.tested,
    ];
  }

  draw() {
    const { view } = this, { unit, off, net, logits } = view, last = unit.layer === net.layers.length - 1;
    this.inputs.draw();
    this.box.checked = Boolean(off);
    this.box.disabled = last && !off;
    this.name.textContent = last && !off ? "the answers can’t be switched off"
      : `switch ${net.layers[(off ?? unit).layer].name}, map ${(off ?? unit).map} off: all its numbers become 0`;
    this.all.disabled = !off || Boolean(this.reading && this.holds(this.reading));
    if (this.told && !this.holds(this.told)) this.tested.textContent = "", (this.told = null);
    this.table.replaceChildren();
    this.change.textContent = !logits ? "Draw a digit first: there is no answer yet."
      : !off ? "Click any map to choose it, then switch it off and watch the answer." : "";
    this.change.hidden = Boolean(logits && off);
    if (!this.change.hidden) return;
    const whole = view.twin.run(view.image).at(-1), was = best(whole);
    const line = (name, logits) => {
      const shares = softmax(logits), now = best(logits);
      return el("tr", {}, ...[name, String(now), percent(shares[now]), printed(logits[was], 2)].map((text, i) =>
        el(i ? "td" : "th", { className: i ? "in-number" : "" }, text)));
    };
    this.table.replaceChildren(
      el("tr", {}, ...["this digit", "answer", "sure", `logit of ${was}`].map((text) => el("th", {}, text))),
      line("with it", whole), line("without it", logits));
  }

  // Is it still the same map of the same weights that is off?
  holds({ off, net }) {
    const { view } = this;
    return !view.stopped && net === view.net && off.layer === view.off?.layer && off.map === view.off.map;
  }

  /** Read the first `count` digits whose label is known, with the map and without it -> [right with, right without], or null
   *  where something else was chosen meanwhile. */
  async overMany(count = this.known.length) {
    const { view } = this, { off, net, pad, network } = view, job = (this.reading = { off, net }), [one, other] = [net.twin(), net.twin()];
    const known = this.known.slice(0, count), right = [0, 0];
    Object.assign(this.progress, { hidden: false, value: 0 });
    this.tested.textContent = "";
    view.refresh();
    for (let i = 0; i < known.length; ) {
      const until = performance.now() + SLICE;
      do {
        const image = pad.digit(known[i]), label = network.labels[known[i]];
        right[0] += best(one.run(image).at(-1)) === label;
        right[1] += best(other.run(image, { off }).at(-1)) === label;
        i++;
      } while (i < known.length && performance.now() < until);
      this.progress.value = i / known.length;
      await new Promise((done) => setTimeout(done));
      if (job === this.reading && this.holds(job)) continue;
      if (job === this.reading) this.progress.hidden = true, (this.reading = null);
      return null;
    }
    this.progress.hidden = true;
    this.reading = null;
    this.told = job;
    const less = right[0] - right[1];
    this.tested.textContent = `Of ${known.length.toLocaleString("en")} test digits ${right[0]} are read correctly with it and ${right[1]} `
      + `without it: ${less > 0 ? `${less} fewer.` : less < 0 ? `${-less} more.` : "as many."}`;
    view.refresh();
    return right;
  }
}
