// The drawing pad: strokes by mouse, finger, pen or keyboard, or in their place a test digit, or an image from elsewhere.

import { bitmap, el, within } from "./dom.js";
import { paintInk } from "./colours.js";
import { asDrawn, prepare } from "./image.js";
import { SIDE } from "./network.js";

const PAD_SIZE = 280; // of the pad, in its own pixels
const PAD_EDGE = 10; // how near to the pad's edge the keyboard's pen goes
const APART = 40; // pixels between strokes of two digits
const TOO_THICK = 0.2; // of a digit's longer side, for a pen

export class Pad {
  /** digits: uint8, 784 for each. changed(): something else lies on the pad. */
  constructor(digits, changed) {
    Object.assign(this, { digits, changed, strokes: [], cleared: [], chosen: null, given: null, stroke: null, thick: 24 });
    this.pen = { x: PAD_SIZE / 2, y: PAD_SIZE / 2, down: false };
    this.ink = el("canvas", { width: PAD_SIZE, height: PAD_SIZE }).getContext("2d", { willReadFrequently: true });
    Object.assign(this.ink, { lineCap: "round", lineJoin: "round" });
    this.alpha = new Float32Array(PAD_SIZE * PAD_SIZE);
    this.grey = bitmap(SIDE, SIDE);
    this.canvas = el("canvas", {
      width: PAD_SIZE, height: PAD_SIZE, className: "in-pad", tabIndex: 0, role: "application",
      "aria-label": "Drawing pad. Arrow keys move the pen, space puts it down or lifts it, U undoes, Delete clears.",
      onpointerdown: (e) => this.press(e), onpointermove: (e) => this.move(e), onpointerup: (e) => this.release(e),
      onpointercancel: (e) => this.release(e), onkeydown: (e) => this.key(e),
      onfocus: () => this.showPen(), onblur: () => this.lift(),
    });
    this.hint = el("div", { className: "in-hint" }, "Draw your own digit here");
    this.penMark = el("div", { className: "in-pen", hidden: true });
    const thick = el("input", { type: "range", min: 10, max: 44, value: this.thick, oninput: () => (this.thick = +thick.value) });
    this.node = el("section", { className: "in-draw" }, el("h3", {}, "Draw a digit"),
      el("div", { className: "in-frame" }, this.canvas, this.hint, this.penMark),
      el("div", { className: "in-tools" },
        el("button", { onclick: () => this.undo() }, "Undo"), el("button", { onclick: () => this.clear() }, "Clear"),
        el("label", {}, "Pen ", thick)));
  }

  // -- strokes --

  begin(point) {
    if (this.chosen !== null || this.given) this.strokes = [];
    this.chosen = this.given = null;
    this.cleared = [];
    this.stroke = { width: this.thick, points: [point] };
    this.strokes.push(this.stroke);
    this.redraw();
  }

  extend(point) {
    if (!this.stroke) return;
    const last = this.stroke.points.at(-1);
    this.stroke.points.push(point);
    this.line(this.stroke.width, last, point);
    this.changed();
  }

  line(width, from, to) {
    const { ink } = this;
    ink.lineWidth = width;
    ink.beginPath();
    ink.moveTo(...from);
    ink.lineTo(...to);
    ink.stroke();
  }

  redraw() {
    this.ink.clearRect(0, 0, PAD_SIZE, PAD_SIZE);
    for (const { width, points } of this.strokes) points.forEach((point, i) => this.line(width, points[Math.max(0, i - 1)], point));
    this.changed();
  }

  /** These strokes and nothing else. */
  put(strokes) {
    Object.assign(this, { strokes, chosen: null, given: null });
    this.redraw();
  }

  /** Takes back the last stroke, the choice of a test digit, or clearing. */
  undo() {
    if (this.chosen !== null || this.given) this.chosen = this.given = null;
    else if (this.strokes.length) this.strokes.pop();
    else [this.strokes, this.cleared] = [this.cleared, []];
    this.redraw();
  }

  clear() {
    this.cleared = this.strokes;
    this.put([]);
  }

  /** Show the digit with this number; what was drawn comes back by undo. */
  take(i) {
    this.lift();
    Object.assign(this, { chosen: i, given: null });
    this.changed();
  }

  /** Show an image from elsewhere, prepared as a test digit is: Float32Array(784) from 0 to 1. */
  give(image) {
    this.lift();
    Object.assign(this, { chosen: null, given: image });
    this.changed();
  }

  // -- pointer --

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * PAD_SIZE, ((event.clientY - box.top) / box.height) * PAD_SIZE];
  }

  press(event) {
    if (event.button || this.stroke) return; // another button, or a second finger
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture?.(event.pointerId);
    this.pointer = event.pointerId;
    this.showPen(false);
    this.begin(this.point(event));
  }

  move(event) {
    if (!this.stroke || event.pointerId !== this.pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    (all.length ? all : [event]).forEach((one) => this.extend(this.point(one)));
  }

  release(event) {
    if (event.pointerId === this.pointer) this.lift();
  }

  lift() {
    this.stroke = this.pointer = null;
    this.pen.down = false;
    this.showPen(false);
  }

  // -- keyboard --

  key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const step = event.shiftKey ? 2 : 10;
    if (by) {
      this.pen.x = within(this.pen.x + by[0] * step, PAD_EDGE, PAD_SIZE - PAD_EDGE);
      this.pen.y = within(this.pen.y + by[1] * step, PAD_EDGE, PAD_SIZE - PAD_EDGE);
      if (this.pen.down) this.extend([this.pen.x, this.pen.y]);
    } else if (event.key === " ") {
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.begin([this.pen.x, this.pen.y]);
      else this.stroke = null;
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key.toLowerCase() === "u" || (event.key === "z" && (event.ctrlKey || event.metaKey))) this.undo();
    else return;
    event.preventDefault();
    this.showPen(true);
  }

  // The keyboard's pen, and the ring of the focus with it: a hand that draws needs neither.
  showPen(shown = this.canvas.matches(":focus-visible")) {
    this.penMark.hidden = !shown;
    this.canvas.classList.toggle("in-byhand", !shown);
    this.penMark.classList.toggle("in-down", this.pen.down);
    this.penMark.style.left = `${(100 * this.pen.x) / PAD_SIZE}%`;
    this.penMark.style.top = `${(100 * this.pen.y) / PAD_SIZE}%`;
  }

  // -- images --

  get drawn() {
    return !this.whole && this.strokes.length > 0;
  }

  /** The image that lies on the pad in place of strokes, or null. */
  get whole() {
    return this.chosen !== null ? this.digit(this.chosen) : this.given;
  }

  /** A test digit, Float32Array(784) from 0 to 1. */
  digit(i) {
    return Float32Array.from(this.digits.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), (v) => v / 255);
  }

  /** What lies on the pad as 28 x 28: Float32Array(784). prepared: as MNIST's makers did. */
  image(prepared) {
    if (this.whole) return this.whole;
    if (!this.strokes.length) return new Float32Array(SIDE * SIDE);
    const { data } = this.ink.getImageData(0, 0, PAD_SIZE, PAD_SIZE);
    for (let i = 0; i < this.alpha.length; i++) this.alpha[i] = data[4 * i + 3] / 255;
    return (prepared ? prepare : asDrawn)(this.alpha, PAD_SIZE);
  }

  /** What one should know of a drawing, for the network can't say it. */
  advice() {
    if (!this.drawn) return "";
    const span = (points, axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))];
    const all = this.strokes.flatMap(({ points }) => points), thick = Math.max(...this.strokes.map(({ width }) => width));
    const long = thick + Math.max(...[0, 1].map((axis) => span(all, axis)).map(([low, high]) => high - low));
    if (thick > TOO_THICK * long) return "This is small for so thick a pen: its strokes run together. Draw it larger, or with a thinner pen.";
    const spans = this.strokes.map(({ points }) => span(points, 0));
    spans.sort((one, other) => one[0] - other[0]);
    let end = spans[0][1];
    const apart = spans.some(([left, right]) => {
      const gap = left - end;
      end = Math.max(end, right);
      return gap > APART;
    });
    return apart ? "It reads one digit at a time: these strokes lie far apart."
      : "It can only say 0 to 9: a letter or a scribble gets one of these too.";
  }

  draw(theme) {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, PAD_SIZE, PAD_SIZE);
    if (this.whole) {
      paintInk(theme, this.grey.words, this.whole);
      this.grey.put();
      context.imageSmoothingEnabled = false;
      context.drawImage(this.grey.canvas, 0, 0, PAD_SIZE, PAD_SIZE);
    } else {
      context.drawImage(this.ink.canvas, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = theme.ink;
      context.fillRect(0, 0, PAD_SIZE, PAD_SIZE);
      context.globalCompositeOperation = "source-over";
    }
    this.hint.hidden = this.drawn && this.strokes.some(({ points }) => points.length > 1); // a tap leaves a dot
  }
}
