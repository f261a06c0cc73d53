// To take away: a link to what is seen, and a picture of it.

import { el, percent, withArticle } from "../../mnist_lib/widgets/js/dom.js";
import { addressOf } from "./address.js";

const WIDE = 1200, EDGE_OF_PICTURE = 40, PAD_IN_PICTURE = 300; // pixels of the picture

export class Keep {
  constructor(view) {
    this.view = view;
    this.told = el("p", { className: "in-quiet", role: "status" });
    this.tools = el("div", { className: "in-tools" }, el("button", { onclick: () => this.copy() }, "Copy link"),
      el("button", { onclick: () => this.save() }, "Save picture"));
    this.node = el("div", { className: "in-keep" }, this.tools, this.told);
    view.top.after(this.node);
  }

  async copy() {
    const address = addressOf(this.view);
    history.replaceState(null, "", address);
    const own = this.view.epoch === null ? " It shows the trained network, not the one that learnt here." : "";
    try {
      await navigator.clipboard.writeText(address);
      this.told.textContent = `The link is copied: it shows just this.${own}`;
    } catch {
      this.told.textContent = `The link stands in the address bar: copy it there.${own}`;
    }
  }

  async save() {
    const picture = await new Promise((done) => this.picture().toBlob(done, "image/png")), address = URL.createObjectURL(picture);
    el("a", { href: address, download: "digit.png" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    this.told.textContent = "The picture is saved as digit.png.";
  }

  /** The digit, the answer and every map, with the page's address below. */
  picture() {
    const { view } = this, { theme, maps, pad } = view, rows = maps.rows, left = EDGE_OF_PICTURE + PAD_IN_PICTURE + 40;
    const share = Math.min(1, (WIDE - left - EDGE_OF_PICTURE) / Math.max(...rows.map(({ size }) => size[0])));
    const high = Math.max(560, 2 * EDGE_OF_PICTURE + rows.reduce((sum, { size }) => sum + share * size[1] + 26, 30));
    const canvas = el("canvas", { width: WIDE, height: Math.ceil(high) }), context = canvas.getContext("2d");
    const write = (text, x, y, font, colour = theme.ink) => Object.assign(context, { font: `${font} system-ui, sans-serif`, fillStyle: colour }).fillText(text, x, y);
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, WIDE, high);
    context.imageSmoothingEnabled = false;
    context.drawImage(pad.canvas, EDGE_OF_PICTURE, EDGE_OF_PICTURE, PAD_IN_PICTURE, PAD_IN_PICTURE);
    context.strokeStyle = theme.ink;
    context.strokeRect(EDGE_OF_PICTURE, EDGE_OF_PICTURE, PAD_IN_PICTURE, PAD_IN_PICTURE);
    const { shares, best } = view.answer;
    write(shares ? String(best) : "–", EDGE_OF_PICTURE, PAD_IN_PICTURE + 130, "700 84px", theme.link);
    write(shares ? `${withArticle(best)}, ${percent(shares[best])} sure` : "no answer", EDGE_OF_PICTURE + 70, PAD_IN_PICTURE + 120, "20px");
    let y = EDGE_OF_PICTURE;
    rows.forEach(({ canvas: map, size: [width, height] }, i) => {
      write(view.net.layers[i].name, left, y + 12, "600 13px");
      context.drawImage(map, left, y + 18, share * width, share * height);
      y += share * height + 26;
    });
    write(document.title, EDGE_OF_PICTURE, high - 34, "600 14px");
    write(location.protocol === "file:" ? "" : location.href.split("#")[0], EDGE_OF_PICTURE, high - 14, "13px", theme.quiet);
    return canvas;
  }
}
