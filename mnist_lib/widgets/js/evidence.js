// Which places an answer is made of: an exact sum, for networks that end in one mean and one layer of weights.

import { el, many, printed } from "./dom.js";
import { largest } from "./colours.js";
import { SIDE } from "./network.js";
import { evidence } from "./questions.js";

export class Evidence {
  title = "Evidence";

  constructor(view) {
    Object.assign(this, { view, why: null, whyNot: null, share: null });
    this.fits = evidence(view.net, 0) !== null;
    if (!this.fits) {
      const sentence = "Answers split into places only where a network ends in one mean over each map, followed by one layer of weights.";
      this.nodes = [el("h3", {}, "Evidence"), el("p", {}, sentence)];
      return;
    }
    this.maps = view.net.layers.at(-3);
    const answers = Array.from({ length: view.net.logits.length }, (_, i) => String(i));
    const choice = (first, set) => {
      const select = el("select", { onchange: () => (set(select.value === "" ? null : +select.value), view.refresh()) },
        el("option", { value: "" }, first), ...answers.map((i) => el("option", { value: i }, i)));
      return select;
    };
    this.choices = { why: choice("the answer", (i) => (this.why = i)), whyNot: choice("(nothing else)", (i) => (this.whyNot = i)) };
    this.places = el("table", { className: "in-places" });
    this.equation = el("p", { className: "in-equation" });
    this.nodes = [
      el("h3", {}, "Where does the answer come from?"),
      el("div", { className: "in-unit" }, el("label", {}, "why", this.choices.why), el("label", {}, "and not", this.choices.whyNot)),
      el("p", {}, `Every place of ${this.maps.name}’s maps adds its share to the answer: here as numbers, and over the image at the `
        + "pixels they are centred on."),
      this.places, this.equation,
      el("p", { className: "in-quiet" }, `Blue speaks for it, orange against. Each place sees more than its square: click a unit of `
        + `${this.maps.name} to see how much.`),
    ];
  }

  shares() {
    const { net, off, logits, best } = this.view;
    if (!this.fits || !logits) return null;
    const why = this.why ?? best, one = evidence(net, why, off);
    if (this.whyNot === null) return { ...one, name: `the logit of ${why}` };
    const other = evidence(net, this.whyNot, off);
    return {
      places: one.places.map((v, i) => v - other.places[i]), bias: one.bias - other.bias,
      name: `the logit of ${why} less that of ${this.whyNot}`,
    };
  }

  draw(theme) {
    this.share = this.shares();
    if (!this.fits) return;
    for (const key of ["why", "whyNot"]) this.choices[key].value = this[key] ?? "";
    if (!this.share) {
      this.places.replaceChildren();
      this.equation.textContent = "Draw a digit first: there is no answer yet.";
      return;
    }
    const { places, bias, name } = this.share, [, rows, cols] = this.maps.shape, top = largest(places);
    this.places.replaceChildren(...Array.from({ length: rows }, (_, r) => el("tr", {}, ...Array.from({ length: cols }, (_, c) => {
      const v = places[r * cols + c], cell = el("td", {}, printed(v, 2)), share = Math.round((45 * Math.abs(v)) / top);
      cell.style.background = `color-mix(in srgb, ${v < 0 ? theme.below : theme.above} ${share}%, transparent)`;
      return cell;
    }))));
    const sum = places.reduce((a, b) => a + b, 0), bold = (v) => el("b", {}, printed(v));
    this.equation.replaceChildren(
      `${many(places.length, "place")} `, bold(sum), " + bias ", bold(bias), " = ", bold(sum + bias), `, ${name}`);
  }

  over(context, px, theme) {
    if (!this.share) return;
    const { places } = this.share, [, rows, cols] = this.maps.shape, top = largest(places);
    const middles = (axis) => axis.map(([first, last]) => ((first + last + 1) / 2) * px);
    const ys = middles(this.maps.field.rows), xs = middles(this.maps.field.cols);
    const step = (all) => (all.length > 1 ? (all.at(-1) - all[0]) / (all.length - 1) : SIDE * px);
    const h = step(ys), w = step(xs);
    places.forEach((v, i) => {
      context.fillStyle = v < 0 ? theme.below : theme.above;
      context.globalAlpha = (0.85 * Math.abs(v)) / top;
      context.fillRect(xs[i % cols] - w / 2, ys[Math.floor(i / cols)] - h / 2, w, h);
    });
    context.globalAlpha = 1;
    context.strokeStyle = theme.quiet;
    context.lineWidth = 1;
    context.strokeRect(xs[0] - w / 2, ys[0] - h / 2, cols * w, rows * h);
  }
}
