// The inside of a network, to look into: for a notebook (an anywidget) and for a page alone. Parts of one idea each are in js/.

import { Answer } from "./js/answer.js";
import { Apart } from "./js/apart.js";
import { colours } from "./js/colours.js";
import { Digits } from "./js/digits.js";
import { el, printed, within } from "./js/dom.js";
import { Epochs } from "./js/epochs.js";
import { Evidence } from "./js/evidence.js";
import { turn } from "./js/image.js";
import { Maps } from "./js/maps.js";
import { Network } from "./js/network.js";
import { Off } from "./js/off.js";
import { Pad } from "./js/pad.js";
import { Poison } from "./js/poison.js";
import { best, softmax } from "./js/questions.js";
import { Shown } from "./js/shown.js";
import { STILL, Turning } from "./js/turning.js";

const NARROW = 760, WIDE_PAGE = 1120; // CSS pixels; below it, of a notebook or a page, what belongs to a unit may be out of sight
const SPEAK = 400; // milliseconds of rest before a screen reader is told

/** The view on a network, inside `root`. content: {network, weights, digits}, as Python's content() gives them; start: what is
 *  chosen first, {digit, unit, epoch}, all optional, digit null for an empty pad. `changed(view)` is called after every frame. */
export class View {
  constructor(root, { network, weights, digits }, { changed = () => {}, start = {} } = {}) {
    Object.assign(this, { root, network, changed, off: null, turned: { ...STILL }, prepared: true, sizes: 0 });
    this.nets = networks(network, weights);
    this.choose(start.epoch ?? network.epoch);
    this.unit = start.unit ?? this.firstUnit();
    this.build(digits);
    if (network.labels.length) this.pad.chosen = start.digit === undefined ? 0 : start.digit;
    this.watch();
    this.showTab("apart");
  }

  choose(epoch) {
    this.epoch = epoch;
    this.net = this.nets[Math.max(this.network.epochs.indexOf(epoch), 0)];
    this.twin = this.net.twin();
  }

  // The middle of the first small map, where there is one: near enough to the image, and its sum is short.
  firstUnit() {
    const { layers } = this.net;
    const small = layers.findIndex(({ kind, shape }, i) => i > 0 && kind === "conv" && shape[1] > 1 && shape[1] <= 12);
    const layer = Math.max(0, small), [, height, width] = layers[layer].shape;
    return { layer, map: 0, row: Math.floor(height / 2), col: Math.floor(width / 2) };
  }

  build(digits) {
    const { network } = this, take = (i) => this.take(i);
    this.pad = new Pad(digits, () => this.refresh());
    this.digits = network.labels.length ? new Digits(network, this.pad, take) : null;
    this.answer = new Answer(this.net.logits.length, () => this.asItWas());
    this.epochs = new Epochs(network, (epoch) => this.setEpoch(epoch));
    this.maps = new Maps(this, (unit, byHand) => this.pick(unit, byHand), this.epochs.node);
    this.shown = new Shown(this, {
      poison: (pixel) => (this.tabs.poison.set(pixel), this.showTab("poison")),
      choose: (unit) => this.pick(unit),
      prepare: (prepared) => ((this.prepared = prepared), this.refresh()),
    });
    this.tabs = {
      apart: new Apart(this), poison: new Poison(this), evidence: new Evidence(this), off: new Off(this), turn: new Turning(this),
    };
    this.status = el("div", { className: "in-hidden", role: "status", "aria-live": "polite" });
    this.top = el("div", { className: "in-top" }, this.pad.node, this.answer.node);
    const left = el("div", { className: "in-left" }, this.top, this.digits && this.digits.node);
    this.root.classList.add("inside");
    this.root.replaceChildren(
      el("div", { className: "in-grid" }, left, this.maps.node, this.shown.node, this.buildPanel()), this.status);
  }

  buildPanel() {
    this.buttons = Object.fromEntries(Object.entries(this.tabs).map(([key, { title }]) => [key, el("button", {
      role: "tab", onclick: () => this.showTab(key), onkeydown: (e) => this.tabKey(e, key),
    }, title)]));
    this.body = el("div", { className: "in-body", role: "tabpanel", tabIndex: 0 });
    return el("section", { className: "in-panel" },
      el("div", { className: "in-tabs", role: "tablist", "aria-label": "Ask the network" }, ...Object.values(this.buttons)), this.body);
  }

  tabKey(event, key) {
    const keys = Object.keys(this.tabs), by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = keys[(keys.indexOf(key) + by + keys.length) % keys.length];
    this.showTab(next);
    this.buttons[next].focus();
  }

  showTab(key) {
    this.tab = key;
    for (const [name, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-selected", name === key);
      button.tabIndex = name === key ? 0 : -1;
    }
    this.body.setAttribute("aria-label", this.tabs[key].title);
    this.body.replaceChildren(...this.tabs[key].nodes);
    this.refresh();
  }

  // -- one frame --

  /** The width of a node, measured when the view has another size, and not in every frame: to measure, the browser lays out the page. */
  widthOf(node) {
    if (this.measured !== this.sizes) (this.measured = this.sizes), (this.widths = new Map());
    if (!this.widths.get(node)) this.widths.set(node, node.clientWidth);
    return this.widths.get(node);
  }

  refresh() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (this.stopped) return;
    const theme = (this.theme = colours(this.root, this.theme)), tab = this.tabs[this.tab], { chosen } = this.pad;
    this.plain = this.pad.image(this.prepared);
    this.image = turn(this.plain, this.turned);
    this.net.run(this.image, { off: this.off });
    this.logits = this.image.some((v) => v > 0) ? Float32Array.from(this.net.logits) : null;
    this.best = this.logits ? best(this.logits) : -1;
    const dead = tab.poisoned?.() ?? null, lost = (dead?.at(-1).out ?? this.net.logits).every(Number.isNaN), known = chosen !== null && this.network.labels[chosen] >= 0;
    this.pad.draw(theme);
    this.digits?.draw(theme);
    this.epochs.draw(this.epoch);
    this.maps.draw(theme, { dead, cone: Boolean(tab.cone) });
    this.answer.draw(theme, {
      image: this.image, logits: this.logits, shares: lost ? null : this.logits && softmax(this.logits), best: lost ? -1 : this.best, lost,
      label: known ? this.network.labels[chosen] : null, changes: this.changes(), advice: this.pad.advice(),
    });
    tab.draw(theme);
    this.shown.draw(theme, { image: this.image, dead, over: tab.over?.bind(tab), about: this.about() });
    this.speak();
    this.changed(this);
  }

  // What the reader has changed, and may have forgotten.
  changes() {
    const { off } = this, turned = Object.keys(STILL).some((key) => this.turned[key] !== STILL[key]);
    return [...(off ? [`${this.net.layers[off.layer].name}, map ${off.map} is off`] : []), ...(turned ? ["turned or moved"] : [])];
  }

  about() {
    const { chosen, given } = this.pad;
    return chosen !== null ? `Test digit no. ${this.network.places[chosen]}: it comes prepared.` : given ? "From a picture: it comes prepared."
      : this.prepared ? "Cropped, fitted into 20×20, centred by its mass." : "The pad made small, nothing else.";
  }

  // A screen reader hears the answer when it changes, and else the unit that was chosen.
  speak() {
    const answer = this.answer.spoken, unit = JSON.stringify(this.unit);
    const { layer, map, row, col } = this.unit, [, rows, cols] = this.net.layers[layer].shape;
    const value = this.net.layers[layer].out[(map * rows + row) * cols + col];
    const news = answer !== this.told?.answer ? answer : unit !== this.told.unit ? `${this.unitName()} is ${printed(value)}.` : null;
    this.told = { answer, unit };
    if (!news) return;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.status.textContent = news), SPEAK);
  }

  unitName() {
    const { layer, map, row, col } = this.unit, { name, shape: [, rows, cols] } = this.net.layers[layer];
    return `${name}, map ${map}${rows * cols > 1 ? `, row ${row}, column ${col}` : ""}`;
  }

  isOff({ layer, map }) {
    return this.off?.layer === layer && this.off.map === map;
  }

  watch() {
    const again = () => this.refresh();
    const resized = new ResizeObserver(([{ contentRect: { width } }]) => {
      if (width !== this.wide) (this.wide = width), this.sizes++, again(); // its height changes with what it says
    });
    const themes = new MutationObserver(again), dark = matchMedia("(prefers-color-scheme: dark)");
    resized.observe(this.root);
    dark.addEventListener("change", again);
    for (const node of [document.body, document.documentElement]) themes.observe(node, { attributes: true });
    this.stop = () => {
      this.stopped = true;
      resized.disconnect();
      themes.disconnect();
      dark.removeEventListener("change", again);
      cancelAnimationFrame(this.frame);
    };
  }

  // -- choosing --

  /** Show the digit with this number. */
  take(i) {
    this.pad.take(i);
  }

  setEpoch(epoch) {
    if (epoch === this.epoch || !this.network.epochs.includes(epoch)) return;
    this.choose(epoch);
    this.refresh();
  }

  /** The same layers with the numbers of other epochs, of which one is shown; network and weights as at first. */
  setEpochs(network, weights) {
    Object.assign(this, { network, nets: networks(network, weights) });
    this.choose(network.epoch);
    this.epochs.set(network);
    this.digits?.judge(network);
    this.refresh();
  }

  /** Other numbers for the same layers, such as those of a network that learns: a row as Python's numbers() gives it. */
  showNumbers(numbers) {
    const { layers, mean, std } = this.network;
    this.epoch = null;
    this.net = new Network(layers, numbers, mean, std);
    this.twin = this.net.twin();
    this.refresh();
  }

  setUnit({ layer, map, row, col }) {
    const { layers } = this.net, l = within(layer, 0, layers.length - 1), [maps, rows, cols] = layers[l].shape;
    this.unit = { layer: l, map: within(map, 0, maps - 1), row: within(row, 0, rows - 1), col: within(col, 0, cols - 1) };
    if (this.tab === "off" && this.off) this.switchOff(this.unit);
    this.refresh();
  }

  /** A unit was pointed at: show where it comes from; go: on a narrow screen, go there. */
  pick(unit, go = false) {
    if (this.tab === "evidence" || this.tab === "turn") this.showTab("apart");
    this.setUnit(unit);
    if (!go || this.root.clientWidth >= (this.root.matches("main") ? WIDE_PAGE : NARROW)) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.shown.node.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
  }

  /** unit: its map becomes 0 everywhere; null: none does. The answers themselves stay on. */
  switchOff(unit) {
    this.off = unit && unit.layer < this.net.layers.length - 1 ? { layer: unit.layer, map: unit.map } : null;
    this.refresh();
  }

  setTurned(turned) {
    this.turned = turned;
    this.refresh();
  }

  asItWas() {
    this.off = null;
    this.setTurned({ ...STILL });
  }
}

// One network for each epoch.
function networks({ layers, numbers, epochs, mean, std }, weights) {
  const floats = new Float32Array(weights.slice().buffer); // slice: where the bytes begin may not suit floats
  return (epochs.length ? epochs : [null]).map((_, i) => new Network(layers, floats.subarray(i * numbers, (i + 1) * numbers), mean, std));
}

// ---- its two homes ---------------------------------------------------------------------------------------------------

/** In a notebook: anywidget calls this for every view of the widget. */
function render({ model, el: root }) {
  const bytes = (name) => {
    const { buffer, byteOffset, byteLength } = model.get(name);
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  const content = { network: model.get("network"), weights: bytes("weights"), digits: bytes("digits") };
  const numbered = ({ layer, ...place }) => ({ layer: content.network.layers.findIndex(({ name }) => name === layer), ...place });
  const chosen = model.get("unit"), start = { digit: model.get("chosen"), epoch: model.get("epoch") };
  if (chosen.layer) start.unit = numbered(chosen);
  let timer = null, told = "", touched = !model.get("shown")?.byteLength;
  const tell = (view) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const { image, logits, epoch, unit, net, pad } = view;
      const key = [image.join(), logits?.join(), epoch, JSON.stringify(unit), pad.chosen].join(";");
      if (key === told || view.stopped) return;
      told = key;
      touched ||= pad.chosen !== null || pad.drawn;
      if (touched) { // else a new view's empty pad would take the place of what was drawn in another
        model.set("shown", new DataView(Float32Array.from(image).buffer));
        model.set("answers", new DataView(Float32Array.from(logits ?? []).buffer));
        model.set("chosen", pad.chosen);
      }
      model.set("unit", { ...unit, layer: net.layers[unit.layer].name });
      model.set("epoch", epoch);
      model.save_changes();
    }, 120);
  };
  const view = new View(root.appendChild(el("div")), content, { changed: tell, start });
  const heard = {
    "change:epoch": () => view.setEpoch(model.get("epoch")),
    "change:weights": () => view.setEpochs(model.get("network"), bytes("weights")),
    "change:chosen": () => model.get("chosen") !== null && model.get("chosen") !== view.pad.chosen && view.take(model.get("chosen")),
    "change:unit": () => {
      const unit = numbered(model.get("unit"));
      if (JSON.stringify(Object.entries(unit).sort()) !== JSON.stringify(Object.entries(view.unit).sort())) view.setUnit(unit);
    },
  };
  for (const [event, act] of Object.entries(heard)) model.on(event, act);
  return () => {
    for (const [event, act] of Object.entries(heard)) model.off(event, act);
    view.stop();
  };
}

/** zlib-compressed bytes in base64 -> the bytes. */
export async function unpacked(text) {
  const body = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([body]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** On a page alone: packed is {network, weights, digits}, the last two zlib-compressed in base64. */
export async function mount(root, packed, options) {
  const [weights, digits] = await Promise.all([unpacked(packed.weights), unpacked(packed.digits)]);
  return new View(root, { network: packed.network, weights, digits }, options);
}

export default { render };
