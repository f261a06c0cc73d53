// A photo of handwriting: chosen, taken, pasted or dropped. What is found in it is shown step by step, and each digit read.

import { bitmap, el, many, percent, sharp, withArticle } from "../../../mnist_lib/widgets/js/dom.js";
import { paintInk } from "../../../mnist_lib/widgets/js/colours.js";
import { best, softmax } from "../../../mnist_lib/widgets/js/questions.js";

const TOUCH = navigator.maxTouchPoints > 0, HINT = TOUCH ? "" : "Or paste or drop a picture of handwriting.";
const SHARE_OF_FRAME = 8; // milliseconds in which digits are read before a frame may be drawn
const SMALL = 44; // CSS pixels: the longer side of a cropped digit, and an image of 28x28

export class Photos {
  /** view: of inside.js; keep: whose buttons these stand beside; code: the workers' text. */
  constructor(view, { node, tools }, code) {
    Object.assign(this, { view, code, digits: [], reading: 0, shown: null });
    tools.append(...this.chooser("Read a photo", {}), ...(TOUCH ? this.chooser("Take a photo", { capture: "environment" }) : []));
    this.told = el("p", { className: "in-quiet", role: "status" });
    this.picture = el("canvas", { className: "in-photo", role: "img", onclick: (event) => this.point(event) });
    this.list = el("ol", { className: "in-found" });
    this.steps = el("div", { hidden: true }, this.picture,
      el("p", { className: "in-quiet" }, "Each is cropped, fitted into 20×20, and centred by its mass in 28×28. Choose one to put it on the pad."),
      el("div", { className: "in-founds", tabIndex: 0, role: "group", "aria-label": "The digits in the photo" }, this.list),
      el("button", { onclick: () => this.putAway() }, "Put the photo away"));
    this.node = el("section", { className: "in-photos", "aria-label": "A photo of handwriting" }, this.told, this.steps);
    node.after(this.node);
    this.tell(HINT);
    this.listen();
    const drawn = view.changed;
    view.changed = (now) => (drawn(now), this.draw(now));
  }

  chooser(name, options) {
    const input = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => (this.read(input.files[0]), (input.value = "")) });
    for (const [key, value] of Object.entries(options)) input.setAttribute(key, value);
    return [input, el("button", { onclick: () => input.click() }, name)];
  }

  listen() {
    const { root } = this.view, over = (on) => root.classList.toggle("in-dropping", on);
    addEventListener("paste", ({ clipboardData }) => clipboardData.files.length && this.read(clipboardData.files[0]));
    addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && (event.preventDefault(), over(true)));
    addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
    addEventListener("drop", (event) => {
      over(false);
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.read(event.dataTransfer.files[0]);
    });
  }

  tell(sentence) {
    this.told.textContent = sentence;
  }

  // In a worker, so that the page stays quick: a photo has millions of pixels.
  async read(file) {
    if (!file) return;
    const job = ++this.reading, address = URL.createObjectURL(new Blob([this.code], { type: "text/javascript" }));
    const worker = new Worker(address);
    this.tell("Reading the picture …");
    const found = await new Promise((done) => {
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = () => done({ sentence: "The picture could not be read: take a smaller one." });
      worker.postMessage({ order: "picture", file });
    });
    worker.terminate();
    URL.revokeObjectURL(address);
    if (job !== this.reading) return; // another was chosen meanwhile
    if (found.sentence) this.putAway(found.sentence);
    else this.show(found);
  }

  show({ grey, lightInk, digits }) {
    Object.assign(this, { grey, found: null, theme: null, drawn: null });
    this.digits = digits.map((digit, i) => this.line(digit, i));
    this.list.replaceChildren(...this.digits.map(({ node }) => node));
    this.steps.hidden = false;
    const news = `${many(digits.length, "digit")} found, in ${lightInk ? "light" : "dark"} ink.`;
    this.tell(news);
    this.picture.setAttribute("aria-label", `The photo in grey, with a box around each digit. ${news}`);
    this.choose(0);
  }

  putAway(sentence = HINT) {
    this.reading++;
    Object.assign(this, { digits: [], grey: null, found: null });
    this.list.replaceChildren();
    this.steps.hidden = true;
    this.tell(sentence);
  }

  line({ box, crop, fit, image }, i) {
    const small = [crop, fit, { values: Float32Array.from(image, (v) => v / 255), height: 28, width: 28 }].map((plane) => {
      const made = bitmap(plane.width, plane.height);
      made.canvas.setAttribute("aria-hidden", "true");
      return { ...made, plane };
    });
    const answer = el("b"), share = el("span");
    small.forEach(({ canvas, plane: { height, width } }, k) => {
      const scale = SMALL / (k ? 28 : Math.max(height, width)); // fitted and centred at the same scale
      Object.assign(canvas.style, { width: `${width * scale}px`, height: `${height * scale}px` });
    });
    const button = el("button", { className: "in-one", onclick: () => this.choose(i) },
      ...small.map(({ canvas }) => el("span", {}, canvas)), answer, share);
    return { box, small, image: small[2].plane.values, answer, share, button, node: el("li", {}, button) };
  }

  choose(i) {
    this.view.pad.give(this.digits[i].image);
  }

  point(event) {
    const { left, top, width } = this.picture.getBoundingClientRect(), scale = this.grey.width / width;
    const [x, y] = [(event.clientX - left) * scale, (event.clientY - top) * scale];
    const i = this.digits.findIndex(({ box: [t, l, b, r] }) => x >= l && x <= r + 1 && y >= t && y <= b + 1);
    if (i >= 0) this.choose(i);
  }

  draw(view) {
    if (!this.digits.length) return;
    const { theme, net, off, pad } = view, given = this.digits.findIndex(({ image }) => image === pad.given), wide = view.widthOf(this.node);
    this.digits.forEach(({ button }, i) => button.setAttribute("aria-pressed", i === given));
    if (this.theme !== theme) this.digits.forEach(({ small }) => small.forEach(({ words, put, plane }) => (paintInk(theme, words, plane.values), put())));
    const key = [theme.key, given, wide].join(";");
    if (key !== this.drawn) this.drawPhoto(theme, given, wide);
    Object.assign(this, { theme, drawn: key });
    if (this.net === net && this.off === off && this.found) return;
    Object.assign(this, { net, off, found: true });
    this.answer(net.twin(), off, 0);
  }

  drawPhoto(theme, given, wide) {
    const { values, height, width } = this.grey, scale = wide / width, high = Math.round(height * scale), small = bitmap(width, height);
    values.forEach((v, i) => (small.words[i] = ((255 << 24) | (Math.round(v) * 0x10101)) >>> 0));
    small.put();
    Object.assign(this.picture.style, { width: `${wide}px`, height: `${high}px` });
    const context = sharp(this.picture, wide, high);
    context.imageSmoothingEnabled = true;
    context.drawImage(small.canvas, 0, 0, wide, high);
    this.digits.forEach(({ box: [top, left, bottom, right] }, i) => {
      Object.assign(context, { strokeStyle: theme.mark, lineWidth: i === given ? 3 : 1.5 });
      context.strokeRect(left * scale - 1, top * scale - 1, (right - left + 1) * scale + 2, (bottom - top + 1) * scale + 2);
    });
  }

  // What the network of now makes of each, a few at a time.
  answer(twin, off, from) {
    if (twin.numbers !== this.net.numbers || off !== this.off) return; // another network came
    const until = performance.now() + SHARE_OF_FRAME;
    for (let i = from; i < this.digits.length; i++) {
      if (performance.now() > until) return void setTimeout(() => this.answer(twin, off, i));
      const { image, answer, share, button } = this.digits[i], logits = twin.run(image, { off }).at(-1);
      const known = logits.every(Number.isFinite), digit = known ? best(logits) : -1, sure = known ? percent(Math.max(...softmax(logits))) : "";
      Object.assign(answer, { textContent: known ? digit : "–" });
      share.textContent = sure;
      button.setAttribute("aria-label", `Digit ${i + 1} of the photo: ${known ? `${withArticle(digit)}, ${sure} sure` : "no answer"}`);
    }
  }
}
