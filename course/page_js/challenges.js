// What to try, a line each, with what one learns from it.

import { el } from "../../mnist_lib/widgets/js/dom.js";

const TASKS = [
  ["Fool it.", "Draw a 4 that it reads as a 9: it sees strokes, not what you mean."],
  ["Draw an A.", "It answers with a digit all the same: it was never shown anything else."],
  ["Turn a 7 until it breaks", "(tab Turn): it knows only the slants that it was trained on."],
  ["Which map kills the 7?", "Switch off conv7’s maps one by one: few matter much, since the others know most of what each one knows."],
];

export function challenges() {
  return el("section", { className: "in-tasks" }, el("h3", {}, "Try this"),
    el("ul", {}, ...TASKS.map(([task, lesson]) => el("li", {}, el("b", {}, task), ` ${lesson}`))));
}
