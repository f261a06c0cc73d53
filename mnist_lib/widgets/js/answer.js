// The network's answer: the digit, how sure it is of each, and what the reader has changed meanwhile.

import { bitmap, el, percent, printed, withArticle } from "./dom.js";
import { paintInk } from "./colours.js";
import { SIDE } from "./network.js";

const NOTHING = "Nothing drawn, so no answer.", LOST = "No answer: all of its numbers are NaN, “not a number”.";
const CLOSE = 0.1; // a second answer with this share is named

const runnerUp = (shares, best) => shares.reduce((found, v, i) => (i !== best && (found < 0 || v > shares[found]) ? i : found), -1);

export class Answer {
  /** asItWas(): undo all that `changes` names. */
  constructor(classes, asItWas) {
    this.verdict = el("p", { className: "in-verdict" });
    this.glimpse = bitmap(SIDE, SIDE);
    Object.assign(this.glimpse.canvas, { className: "in-glimpse", title: "What the network is shown" });
    this.glimpse.canvas.setAttribute("aria-hidden", "true"); // the larger one has a name
    this.note = el("span");
    this.changes = el("p", { className: "in-changes", hidden: true }, this.note, el("button", { onclick: asItWas }, "As it was"));
    this.advice = el("p", { className: "in-quiet in-advice" });
    this.rows = Array.from({ length: classes }, (_, i) => {
      const bar = el("span", { className: "in-bar" }), share = el("span", { className: "in-share" });
      return { bar, share, node: el("li", {}, el("b", {}, String(i)), el("span", { className: "in-track" }, bar), share) };
    });
    this.node = el("section", { className: "in-answer" }, el("h3", {}, "Its answer"),
      el("div", { className: "in-beside" }, this.verdict, this.glimpse.canvas), this.changes, this.advice,
      el("ol", { className: "in-bars" }, ...this.rows.map(({ node }) => node)));
  }

  /** advice: a sentence on what was drawn, or "".
   *  logits and shares are null while there is no ink; lost: every answer is NaN, and shares are null; label: what the digit is, null where nobody knows. */
  draw(theme, { image, logits, shares, best, lost, label, changes, advice }) {
    const none = lost && logits ? LOST : NOTHING;
    this.rows.forEach(({ bar, share, node }, i) => {
      bar.style.width = shares ? `${100 * shares[i]}%` : "0";
      share.textContent = shares ? percent(shares[i]) : "–";
      node.title = logits ? `logit ${printed(logits[i])}` : "";
      node.classList.toggle("in-best", i === best);
    });
    const rival = shares ? runnerUp(shares, best) : -1;
    const near = shares && shares[rival] > CLOSE ? `or ${withArticle(rival)}, ${percent(shares[rival])}` : "";
    Object.assign(this, { shares, best });
    const told = label === null || !shares ? "" : label === best ? `and ${withArticle(label)} it is` : `but the label says ${label}`;
    this.verdict.replaceChildren(...(shares
      ? [el("b", {}, String(best)), el("span", {}, `${percent(shares[best])} sure `, el("i", {}, near), el("i", {}, told))]
      : [el("span", {}, none)]));
    this.verdict.classList.toggle("in-wrong", shares !== null && label !== null && label !== best);
    this.advice.textContent = advice;
    this.advice.hidden = !advice || !shares;
    this.note.textContent = changes.join(", ");
    this.changes.hidden = !changes.length;
    paintInk(theme, this.glimpse.words, image);
    this.glimpse.put();
    this.spoken = shares ? `The network reads ${withArticle(best)}, ${percent(shares[best])} sure${near && `, ${near}`}${told && `, ${told}`}.` : none;
  }
}
