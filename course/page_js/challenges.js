// What to try, a line each, with what one learns from it.

import { el } from "../../mnist_lib/widgets/js/dom.js";

const tasks = (last) => [
  ["Fool it.", "Draw a 4 that it reads as a 9: it sees strokes, not what you mean."],
  ["Draw an A.", "It answers with a digit all the same: it was never shown anything else."],
  ["Turn a 7 until it breaks", "(tab Turn): it knows only the slants that it was trained on."],
  ["Which map kills the 7?", `Switch off ${last}’s maps one by one: ${last === "conv7" ? "few matter much, since the others know most of what each one knows." : "how many matter?"}`],
];

/** layers: of a DigitNet or a SeparableNet, whose last two average and answer. */
export function challenges(layers) {
  return el("section", { className: "in-tasks" }, el("h3", {}, "Try this"),
    el("ul", {}, ...tasks(layers.at(-3).name).map(([task, lesson]) => el("li", {}, el("b", {}, task), ` ${lesson}`))));
}
