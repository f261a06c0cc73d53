// A network that learns in the page, from nothing, while its maps and its answer are watched. The work is done in workers.

import { el } from "../../mnist_lib/widgets/js/dom.js";
import { Curves } from "./curves.js";
import { Settings } from "./settings.js";

const PRESS = { idle: "Start from nothing", learning: "Pause", paused: "Go on", over: "Start from nothing", diverged: "Start from nothing" };
const SHOW = 250; // milliseconds between two sets of weights that are drawn

export class Learning {
  /** view: of inside.js; training: {images: Uint8Array, labels}; test: how many of the view's digits it is tested on; code: the
   *  workers' text. */
  constructor(view, training, test, code) {
    Object.assign(this, { view, training, test, code, seed: 1, workers: [] });
    this.learnt = view.network.parameters.toLocaleString("en");
    this.settings = new Settings(training.labels.length);
    this.curves = new Curves(test);
    this.button = el("button", { className: "in-main", onclick: () => this.press() });
    this.other = el("button", { onclick: () => this.start(this.seed + 1) }, "Again with another seed");
    this.back = el("button", { onclick: () => this.leave() }, "Back to the trained network");
    this.about = el("p", { className: "in-quiet" });
    this.past = el("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => this.look(+this.past.value) });
    this.when = el("output");
    this.slider = el("label", { className: "in-past" }, el("span", {}, "Its past"), this.past, this.when);
    this.news = el("div", { className: "in-hidden", role: "status" });
    this.node = el("section", { className: "in-learn", "aria-label": "A network that learns" }, el("h3", {}, "Watch one learn from nothing"),
      this.about, this.curves.node, this.slider,
      el("div", { className: "in-buttons" }, this.button, this.other, this.back, this.settings.node), this.news);
    view.maps.node.querySelector("figure").before(this.node);
    const drawn = view.changed;
    view.changed = (now) => (drawn(now), this.curves.draw(now, this));
    this.clear("idle");
  }

  clear(state) {
    this.workers.forEach((worker) => worker.terminate());
    Object.assign(this, { workers: [], losses: [], judged: [], newest: null, waiting: null, at: null, took: 0, since: 0, shown: 0 });
    this.set(state);
  }

  set(state) {
    if (this.since) this.took += performance.now() - this.since;
    this.since = state === "learning" ? performance.now() : 0;
    this.state = state;
    this.tell();
  }

  get seconds() {
    return (this.took + (this.since ? performance.now() - this.since : 0)) / 1000;
  }

  press() {
    if (this.state === "learning") this.trainer.postMessage({ order: "pause" }), this.set("paused");
    else if (this.state === "paused") this.trainer.postMessage({ order: "go" }), this.set("learning");
    else this.start(this.state === "idle" ? this.seed : this.seed + 1);
  }

  start(seed) {
    this.seed = seed;
    this.run = { ...this.settings.values, seed };
    this.clear("learning");
    const address = URL.createObjectURL(new Blob([this.code], { type: "text/javascript" }));
    this.workers = [this.trainer, this.judge] = [new Worker(address), new Worker(address)];
    this.trainer.onmessage = ({ data }) => this.heard(data);
    this.judge.onmessage = ({ data }) => this.tested(data);
    const { network, pad } = this.view, { images, labels } = this.training;
    const tests = Uint8Array.from(network.labels.slice(0, this.test));
    this.judge.postMessage({ order: "test", network, images: pad.digits.slice(0, this.test * 784), labels: tests });
    this.trainer.postMessage({ order: "start", network, images, labels, settings: this.run });
  }

  // The training has news: the losses since the last, and the weights.
  heard(newest) {
    this.losses.push(...newest.losses);
    this.newest = newest;
    if (!Number.isFinite(this.losses.at(-1) ?? 0)) this.set("diverged");
    else if (newest.step >= this.run.steps) this.set("over");
    this.ask();
    const now = performance.now();
    if (this.at === null && (now - this.shown > SHOW || this.state !== "learning")) {
      this.shown = now;
      this.view.showNumbers(newest.numbers);
    }
    this.tell();
  }

  // The one who tests gets the newest weights whenever it is free.
  ask() {
    if (this.waiting !== null || !this.newest || this.newest.step === this.judged.at(-1)?.step) return;
    this.waiting = this.newest.step;
    this.judge.postMessage({ order: "read", step: this.newest.step, numbers: this.newest.numbers });
  }

  tested(told) {
    this.waiting = null;
    this.judged.push({ ...told, seconds: this.seconds });
    this.ask();
    this.tell();
    this.view.refresh();
  }

  /** Show it as it was at a moment of its past; the last moment is now. */
  look(i) {
    this.at = i >= this.judged.length - 1 ? null : i;
    this.view.showNumbers((this.at === null ? this.newest : this.judged[i]).numbers);
    this.tell();
  }

  leave() {
    this.clear("idle");
    this.view.choose(this.view.network.epoch);
    this.view.refresh();
  }

  tell() {
    const { state, judged, run, at, losses } = this, running = state !== "idle", last = judged[at ?? judged.length - 1];
    this.button.textContent = PRESS[state];
    this.button.classList.toggle("in-done", state === "over" || state === "diverged");
    for (const node of [this.other, this.back, this.curves.node]) node.hidden = !running;
    this.button.hidden = state === "over" || state === "diverged";
    this.slider.hidden = judged.length < 2;
    this.past.max = Math.max(judged.length - 1, 0);
    this.past.value = at ?? this.past.max;
    this.when.textContent = last ? `step ${last.step}` : "";
    this.past.setAttribute("aria-valuetext", last ? `step ${last.step}, ${(100 * last.accuracy).toFixed(1)} % right` : "");
    this.about.textContent = running ? this.progress(last, losses.length, run)
      : `${this.learnt} random numbers, ${this.training.labels.length.toLocaleString("en")} digits to learn from, all in your browser. About a `
        + "minute. Your own digit is answered all the while.";
    const end = state === "over" && last?.step === run.steps, said = `${state}${end}`;
    if (said !== this.said) this.news.textContent = { learning: "It learns.", paused: "Paused.", over: end ? this.about.textContent : "",
      diverged: this.about.textContent }[state] ?? "";
    this.said = said;
  }

  progress(last, step, { steps, rate }) {
    if (this.state === "diverged")
      return `It diverged at step ${step}: with a learning rate of ${rate} each step overshot, until its numbers were no numbers any more `
        + "(NaN, purple). Choose a smaller rate and start again.";
    const right = last ? ` · ${(100 * last.accuracy).toFixed(1)} % of ${this.test.toLocaleString("en")} test digits right` : "";
    const guessing = Math.log(this.view.net.logits.length), most = Math.max(...this.losses), overshot = most > 2 * guessing;
    const end = last?.loss < 0.9 * guessing ? "done: now take it apart" : `done, and it has learnt nothing: guessing costs ${guessing.toFixed(1)} too.`
      + (overshot ? ` With a learning rate of ${rate} its steps overshot, and the loss rose to ${most.toFixed(1)}: choose a smaller rate and start again.` : "");
    return `Step ${step} of ${steps}${right} · ${Math.round(this.seconds)} s${this.state === "over" && last?.step === steps ? ` · ${end}` : ""}`;
  }
}
