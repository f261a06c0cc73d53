// Two curves of a training, side by side: how many test digits it reads correctly, and its loss.

import { el, sharp } from "../../mnist_lib/widgets/js/dom.js";

const HIGH = 92, LEFT = 44, RIGHT = 8, TOP = 6, BOTTOM = 16; // CSS pixels
const LOSSES = 3; // the loss at the panel's top; guessing costs 2.3

export class Curves {
  constructor(test) {
    this.sheet = el("canvas");
    this.panels = [["accuracy", `right, of ${test.toLocaleString("en")} test digits`], ["loss", "loss of each step, lower is better"]]
      .map(([key, title]) => ({ key, title, canvas: el("canvas", { role: "img" }) }));
    this.node = el("div", { className: "in-curves" },
      ...this.panels.map(({ canvas, title }) => el("figure", {}, el("figcaption", {}, title), canvas)));
  }

  draw(view, { judged, losses, run, at, state }) {
    if (state === "idle" || !run) return;
    const [right, loss] = this.panels, { theme } = view;
    const seen = at === null ? null : judged[at].step;
    this.panel(view, right, run.steps, [[0, "0"], [0.5, "50"], [1, "100 %"]], 1, judged.map(({ step, accuracy }) => [step, accuracy]), theme.above, seen);
    this.panel(view, loss, run.steps, [[0, "0"], [1, "1"], [2, "2"], [3, "3"]], LOSSES, losses.map((v, i) => [i + 1, v]), theme.below, seen);
    const last = judged.at(-1);
    right.canvas.setAttribute("aria-label", last ? `${(100 * last.accuracy).toFixed(1)} % right after ${last.step} steps` : "Nothing measured yet");
    loss.canvas.setAttribute("aria-label", losses.length ? `loss ${losses.at(-1).toFixed(2)} after ${losses.length} steps` : "No step yet");
  }

  panel(view, { canvas }, steps, lines, top, points, colour, seen) {
    const { theme } = view, width = view.widthOf(canvas.parentNode);
    if (width < 60) return;
    Object.assign(canvas.style, { width: `${width}px`, height: `${HIGH}px` });
    const context = sharp(this.sheet, width, HIGH); // text on a canvas of the page would have the page laid out first
    const x = (step) => LEFT + ((width - LEFT - RIGHT) * step) / steps;
    const y = (v) => HIGH - BOTTOM - ((HIGH - TOP - BOTTOM) * Math.min(v, top)) / top;
    Object.assign(context, { font: "10.5px system-ui, sans-serif", fillStyle: theme.quiet, strokeStyle: theme.quiet, lineWidth: 0.5, textBaseline: "middle" });
    context.textAlign = "right";
    for (const [v, name] of lines) {
      context.globalAlpha = 0.5;
      context.beginPath(), context.moveTo(LEFT, y(v)), context.lineTo(width - RIGHT, y(v)), context.stroke();
      context.globalAlpha = 1;
      context.fillText(name, LEFT - 4, y(v));
    }
    context.fillText(`step ${steps}`, width - RIGHT, HIGH - 6);
    context.textAlign = "left";
    context.fillText("0", LEFT, HIGH - 6);
    const known = points.filter(([, v]) => Number.isFinite(v));
    context.beginPath();
    known.forEach(([step, v], i) => (i ? context.lineTo(x(step), y(v)) : context.moveTo(x(step), y(v))));
    Object.assign(context, { strokeStyle: colour, lineWidth: 1.75, lineJoin: "round" });
    context.stroke();
    if (known.length) {
      const [step, v] = known.at(-1);
      context.fillStyle = colour;
      context.beginPath(), context.arc(x(step), y(v), 3, 0, 7), context.fill();
    }
    if (seen !== null) {
      Object.assign(context, { strokeStyle: theme.ink, lineWidth: 1 });
      context.beginPath(), context.moveTo(x(seen), TOP), context.lineTo(x(seen), HIGH - BOTTOM), context.stroke();
    }
    sharp(canvas, width, HIGH).drawImage(this.sheet, 0, 0, width, HIGH);
  }
}
