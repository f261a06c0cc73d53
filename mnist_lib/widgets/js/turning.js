// The digit turned, moved, scaled: as far as the augmentation goes, and beyond, until the answer gives way.

import { el, printed, sharp, withArticle } from "./dom.js";
import { turn } from "./image.js";
import { best, softmax } from "./questions.js";

export const STILL = { angle: 0, scale: 1, right: 0, down: 0 };
const SLIDERS = {
  angle: { name: "Turn", unit: "°", min: -180, max: 180, step: 1, digits: 0, trained: [-20, 20] },
  scale: { name: "Scale", unit: "×", min: 0.3, max: 2, step: 0.05, digits: 2, trained: [0.9, 1.1] },
  right: { name: "Move right", unit: " px", min: -14, max: 14, step: 1, digits: 0, trained: [-3, 3] },
  down: { name: "Move down", unit: " px", min: -14, max: 14, step: 1, digits: 0, trained: [-3, 3] },
};
const CURVE_POINTS = 41, CURVE_HEIGHT = 130; // of the curve

export class Turning {
  title = "Turn";

  constructor(view) {
    Object.assign(this, { view, along: "angle" });
    this.sliders = Object.entries(SLIDERS).map(([key, { name, unit, min, max, step, digits, trained: [low, high] }]) => {
      const value = el("output");
      const input = el("input", { type: "range", min, max, step,
        oninput: () => ((this.along = key), view.setTurned({ ...view.turned, [key]: +input.value })) });
      const draw = () => ((input.value = view.turned[key]), (value.textContent = `${printed(view.turned[key], digits)}${unit}`));
      const range = low === -high ? `±${high}${unit}` : `${low} to ${high}`;
      const label = el("span", {}, name, el("small", {}, ` (augmentation: ${range})`));
      return { draw, node: el("label", { className: "in-turn" }, label, input, value) };
    });
    this.curve = el("canvas", { className: "in-curve", role: "img", "aria-label": "How sure the network is, along the last slider moved" });
    this.told = el("p", { className: "in-quiet" });
    this.nodes = [
      el("h3", {}, "When does the answer give way?"), ...this.sliders.map(({ node }) => node),
      el("button", { onclick: () => view.setTurned({ ...STILL }) }, "As it was"), this.curve, this.told,
    ];
  }

  draw(theme) {
    this.sliders.forEach(({ draw }) => draw());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.view.stopped && this.view.tab === "turn" && this.drawCurve(theme), this.view.pad.stroke ? 250 : 30);
  }

  // How sure the network is of what it reads in the digit as it was, along the slider moved last.
  drawCurve(theme) {
    const { plain, turned, twin, off } = this.view, { min, max, trained, name, unit } = SLIDERS[this.along];
    const width = this.view.widthOf(this.curve) || 340, context = sharp(this.curve, width, CURVE_HEIGHT);
    this.told.textContent = "Draw a digit first: there is no answer yet.";
    if (!plain.some((v) => v > 0)) return;
    const read = (value) => softmax(twin.run(turn(plain, { ...turned, [this.along]: value }), { off }).at(-1));
    const answer = best(read(STILL[this.along]));
    const x = (value) => 4 + ((value - min) / (max - min)) * (width - 8), y = (share) => CURVE_HEIGHT - 18 - share * (CURVE_HEIGHT - 30);
    context.fillStyle = theme.above;
    context.globalAlpha = 0.16;
    context.fillRect(x(trained[0]), y(1), x(trained[1]) - x(trained[0]), y(0) - y(1));
    context.globalAlpha = 1;
    context.strokeStyle = theme.quiet;
    context.lineWidth = 1;
    context.strokeRect(4.5, Math.round(y(1)) + 0.5, width - 9, Math.round(y(0) - y(1)));
    context.fillStyle = theme.quiet;
    context.font = "11.5px system-ui, sans-serif";
    const write = (text, x, y, align) => ((context.textAlign = align), context.fillText(text, x, y));
    const ends = [min, max].map((value) => `${printed(value, value % 1 ? 1 : 0)}${unit}`);
    write(ends[0], 4, CURVE_HEIGHT - 4, "left"), write(ends[1], width - 4, CURVE_HEIGHT - 4, "right");
    write(name + (unit === "°" ? " (degrees)" : unit === " px" ? " (pixels)" : " (times)"), width / 2, CURVE_HEIGHT - 4, "center");
    write(`100 % sure of ${withArticle(answer)}`, 8, y(1) + 13, "left"), write("0 %", 8, y(0) - 4, "left");
    context.beginPath();
    for (let i = 0; i < CURVE_POINTS; i++) {
      const value = min + ((max - min) * i) / (CURVE_POINTS - 1);
      context.lineTo(x(value), y(read(value)[answer]));
    }
    context.strokeStyle = theme.above;
    context.lineWidth = 2;
    context.stroke();
    const here = turned[this.along];
    context.beginPath();
    context.arc(x(here), y(read(here)[answer]), 5, 0, 7);
    context.fillStyle = theme.mark;
    context.fill();
    this.told.textContent = `How sure it is of ${withArticle(answer)} along “${name}”. Shaded: as far as the augmentation goes.`;
  }
}
