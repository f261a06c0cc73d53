// The inside of a network: its forward pass and the view on it, for a notebook (an anywidget) and for a page alone.
// Python hands over the layers, their numbers and the fields of their units (mnist_lib/widgets/chain.py).

const SIDE = 28;
const PAD = 280; // the drawing pad's side, in its own pixels

// ---- the network -----------------------------------------------------------------------------------------------------

/** The forward pass. layers: as Python's describe() gives them; numbers: Float32Array, as numbers() gives them. */
export class Network {
  constructor(layers, numbers, mean, std) {
    Object.assign(this, { mean, std, numbers, input: new Float32Array(SIDE * SIDE) });
    this.layers = layers.map((layer) => {
      let at = layer.at;
      const rows = layer.numbers.map((n) => numbers.subarray(at, (at += n)));
      const [weight, bias] = layer.kind === "conv" ? rows.splice(0, 2) : [];
      const steps = layer.steps.map((step) => {
        if (step === "relu") return { kind: "ReLU" };
        const [mean, variance, weight, bias, scale, shift] = rows.splice(0, 6);
        return { kind: "BatchNorm", eps: step, mean, variance, weight, bias, scale, shift };
      });
      const own = { ...layer, weight, bias, steps, rest: steps, folded: weight, foldedBias: bias };
      if (weight && steps[0]?.kind === "BatchNorm") {
        const { scale, shift } = steps[0];
        const n = weight.length / bias.length;
        own.folded = weight.map((w, i) => w * scale[Math.floor(i / n)]);
        own.foldedBias = bias.map((b, i) => b * scale[i] + shift[i]);
        own.rest = steps.slice(1);
      }
      own.out = new Float32Array(layer.shape[0] * layer.shape[1] * layer.shape[2]);
      return own;
    });
  }

  /** Same numbers, buffers of its own. */
  twin() {
    const twin = Object.create(Network.prototype);
    const layers = this.layers.map((layer) => ({ ...layer, padded: undefined, out: new Float32Array(layer.out.length) }));
    return Object.assign(twin, this, { layers, input: new Float32Array(SIDE * SIDE) });
  }

  /** image: Float32Array(784) in [0, 1] -> the maps of every layer, (maps, rows, columns) flat. They live until the next run.
   *  off: {layer, map} to set to zero; from, until: run these layers only, on what the ones before left. */
  run(image, { off = null, from = 0, until = this.layers.length } = {}) {
    if (from === 0) for (let i = 0; i < image.length; i++) this.input[i] = (image[i] - this.mean) / this.std;
    for (let i = from; i < until; i++) {
      const layer = this.layers[i];
      const input = i ? this.layers[i - 1].out : this.input;
      if (layer.kind === "conv") convolve(layer, padded(layer, input));
      else if (layer.kind === "same") layer.out.set(input);
      else pool(layer, input);
      layer.rest.forEach((step) => apply(layer, step));
      if (off?.layer === i) {
        const size = layer.shape[1] * layer.shape[2];
        layer.out.fill(0, off.map * size, (off.map + 1) * size);
      }
    }
    return this.layers.map((layer) => layer.out);
  }

  get logits() {
    return this.layers.at(-1).out;
  }
}

// The maps with a frame of zeros, where the convolution pads.
function padded(layer, input) {
  const [maps, height, width] = layer.inputs;
  const [top, left] = layer.pad;
  layer.inside ??= needed(layer);
  const [rows, cols] = layer.inside;
  if (rows <= height && cols <= width && !top && !left) return { input, height, width };
  layer.padded ??= new Float32Array(maps * rows * cols);
  for (let m = 0; m < maps; m++)
    for (let y = 0; y < height && y + top < rows; y++) {
      const line = input.subarray((m * height + y) * width, (m * height + y) * width + Math.min(width, cols - left));
      layer.padded.set(line, (m * rows + y + top) * cols + left);
    }
  return { input: layer.padded, height: rows, width: cols };
}

function needed({ shape, stride, kernel, dilation }) {
  return [0, 1].map((axis) => (shape[axis + 1] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1);
}

function convolve(layer, { input, height, width }) {
  const { out, folded, foldedBias, groups } = layer;
  const [maps, rows, cols] = layer.shape;
  const [kh, kw] = layer.kernel;
  const [sy, sx] = layer.stride;
  const [dy, dx] = layer.dilation;
  const from = layer.inputs[0] / groups, size = rows * cols;
  for (let o = 0; o < maps; o++) out.fill(foldedBias[o], o * size, (o + 1) * size);
  const plain = kh === 3 && kw === 3 && sy === 1 && sx === 1 && dy === 1 && dx === 1 && groups === 1;
  if (plain && maps % 2 === 0) {
    for (let o = 0; o < maps; o += 2)
      for (let i = 0; i < from; i++) threeByThree(out, o * size, rows, cols, input, i * height * width, width, folded, (o * from + i) * 9, from * 9);
    return;
  }
  for (let o = 0; o < maps; o++) {
    const group = Math.floor(o / (maps / groups)) * from;
    for (let i = 0; i < from; i++) {
      let w = (o * from + i) * kh * kw;
      for (let ky = 0; ky < kh; ky++)
        for (let kx = 0; kx < kw; kx++) {
          const weight = folded[w++];
          for (let y = 0; y < rows; y++) {
            const to = o * size + y * cols;
            const at = ((group + i) * height + y * sy + ky * dy) * width + kx * dx;
            for (let x = 0; x < cols; x++) out[to + x] += weight * input[at + x * sx];
          }
        }
    }
  }
}

// The same, faster, for the kernel that most networks have: two maps at a time, each input read once a line.
function threeByThree(out, first, rows, cols, input, plane, width, weights, w, next) {
  const w0 = weights[w], w1 = weights[w + 1], w2 = weights[w + 2];
  const w3 = weights[w + 3], w4 = weights[w + 4], w5 = weights[w + 5];
  const w6 = weights[w + 6], w7 = weights[w + 7], w8 = weights[w + 8];
  w += next;
  const v0 = weights[w], v1 = weights[w + 1], v2 = weights[w + 2];
  const v3 = weights[w + 3], v4 = weights[w + 4], v5 = weights[w + 5];
  const v6 = weights[w + 6], v7 = weights[w + 7], v8 = weights[w + 8];
  const size = rows * cols;
  for (let y = 0; y < rows; y++) {
    const a = plane + y * width, b = a + width, c = b + width;
    let to = first + y * cols;
    let a0 = input[a], a1 = input[a + 1], b0 = input[b], b1 = input[b + 1], c0 = input[c], c1 = input[c + 1];
    for (let x = 2; x < cols + 2; x++, to++) {
      const a2 = input[a + x], b2 = input[b + x], c2 = input[c + x];
      out[to] += w0 * a0 + w1 * a1 + w2 * a2 + w3 * b0 + w4 * b1 + w5 * b2 + w6 * c0 + w7 * c1 + w8 * c2;
      out[to + size] += v0 * a0 + v1 * a1 + v2 * a2 + v3 * b0 + v4 * b1 + v5 * b2 + v6 * c0 + v7 * c1 + v8 * c2;
      a0 = a1, a1 = a2, b0 = b1, b1 = b2, c0 = c1, c1 = c2;
    }
  }
}

function pool(layer, input) {
  const [maps, height, width] = layer.inputs;
  const { out, rows, cols, spans, kind } = layer;
  let to = 0;
  for (let m = 0; m < maps; m++)
    rows.forEach(([top, bottom], r) =>
      cols.forEach(([left, right], c) => {
        let value = kind === "max" ? -Infinity : 0;
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) {
            const v = input[(m * height + y) * width + x];
            if (kind === "mean") value += v;
            else if (v > value || v !== v) value = v; // NaN wins, as in torch
          }
        out[to++] = kind === "mean" ? value / (spans[0][r] * spans[1][c]) : value;
      })
    );
}

function apply(layer, step) {
  const { out } = layer;
  if (step.kind === "ReLU") {
    for (let i = 0; i < out.length; i++) if (out[i] < 0) out[i] = 0; // NaN stays
    return;
  }
  const size = layer.shape[1] * layer.shape[2];
  for (let i = 0; i < out.length; i++) {
    const map = Math.floor(i / size);
    out[i] = out[i] * step.scale[map] + step.shift[map];
  }
}

/** Where a unit's number comes from: rows [{map, patch, kernel, sum}], their total, and what each step makes of it. */
export function takeApart(network, unit) {
  const layer = network.layers[unit.layer];
  const input = unit.layer ? network.layers[unit.layer - 1].out : network.input;
  const [maps, height, width] = layer.inputs;
  const value = (m, y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : input[(m * height + y) * width + x]);
  const rows = [];
  let total = 0, bias = null;
  if (layer.kind === "conv") {
    const [kh, kw] = layer.kernel;
    const from = maps / layer.groups;
    const group = Math.floor(unit.map / (layer.shape[0] / layer.groups)) * from;
    for (let i = 0; i < from; i++) {
      const at = (unit.map * from + i) * kh * kw;
      const kernel = Array.from(layer.weight.subarray(at, at + kh * kw));
      const patch = kernel.map((_, k) =>
        value(
          group + i,
          unit.row * layer.stride[0] + Math.floor(k / kw) * layer.dilation[0] - layer.pad[0],
          unit.col * layer.stride[1] + (k % kw) * layer.dilation[1] - layer.pad[1]
        )
      );
      const sum = patch.reduce((sum, v, k) => sum + v * kernel[k], 0);
      rows.push({ map: group + i, patch, kernel, sum, width: kw });
      total += sum;
    }
    bias = layer.bias[unit.map];
    total += bias;
  } else if (layer.kind === "same") {
    total = value(unit.map, unit.row, unit.col);
    rows.push({ map: unit.map, patch: [total], kernel: null, sum: total, width: 1 });
  } else {
    const [top, bottom] = layer.rows[unit.row], [left, right] = layer.cols[unit.col];
    const patch = [];
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) patch.push(value(unit.map, y, x));
    const sum = patch.reduce((a, b) => a + b, 0);
    total = layer.kind === "max" ? Math.max(...patch) : sum / (layer.spans[0][unit.row] * layer.spans[1][unit.col]);
    rows.push({ map: unit.map, patch, kernel: null, sum: total, width: right - left });
  }
  let last = total;
  const steps = layer.steps.map((step) => {
    const before = last;
    if (step.kind === "ReLU") last = Math.max(last, 0);
    else {
      const [mean, variance, weight, bias] = [step.mean, step.variance, step.weight, step.bias].map((row) => row[unit.map]);
      last = ((last - mean) / Math.sqrt(variance + step.eps)) * weight + bias;
      return { kind: step.kind, before, after: last, mean, variance, weight, bias, eps: step.eps };
    }
    return { kind: step.kind, before, after: last };
  });
  return { kind: layer.kind, rows, bias, total, steps, result: last };
}

/** Of a network that ends in one mean over each map and one layer of weights: how much each place adds to an answer.
 *  -> {places: Float64Array(rows * columns), bias}, or null for other networks. */
export function evidence(network, answer) {
  const last = network.layers.at(-1), mean = network.layers.at(-2), maps = network.layers.at(-3);
  const fits = mean?.kind === "mean" && !mean.steps.length && mean.out.length === mean.shape[0] && !last.steps.length;
  if (!maps || last.kind !== "conv" || last.groups > 1 || !fits) return null;
  const size = maps.shape[1] * maps.shape[2];
  const places = new Float64Array(size);
  const share = 1 / (mean.spans[0][0] * mean.spans[1][0]);
  for (let m = 0; m < maps.shape[0]; m++) {
    const weight = last.weight[answer * maps.shape[0] + m] * share;
    for (let i = 0; i < size; i++) places[i] += weight * maps.out[m * size + i];
  }
  return { places, bias: last.bias[answer] };
}

/** The units of every layer that become NaN when one pixel of the image is: -> the maps of every layer. */
export function poison(twin, image, row, col) {
  const bad = Float32Array.from(image);
  bad[row * SIDE + col] = NaN;
  return twin.run(bad);
}

/** The reverse: which pixels make this unit NaN? Whole rows, then whole columns; where both kill, the pixel does. */
export function killers(twin, unit) {
  const [, height, width] = twin.layers[unit.layer].shape;
  const place = unit.row * width + unit.col;
  const dies = (mark) => {
    const image = new Float32Array(SIDE * SIDE);
    for (let i = 0; i < SIDE; i++) image[mark(i)] = NaN;
    const out = twin.run(image, { until: unit.layer + 1 })[unit.layer];
    return Number.isNaN(out[unit.map * height * width + place]);
  };
  const lines = Array.from({ length: SIDE }, (_, i) => i);
  const rows = lines.map((row) => dies((i) => row * SIDE + i));
  const cols = lines.map((col) => dies((i) => i * SIDE + col));
  return Uint8Array.from({ length: SIDE * SIDE }, (_, p) => rows[Math.floor(p / SIDE)] && cols[p % SIDE]);
}

export function softmax(logits) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

// ---- the image -------------------------------------------------------------------------------------------------------

/** Ink (side x side, 0 to 1) as MNIST's makers prepared theirs: cropped, fitted into 20x20 keeping its shape, its centre
 *  of mass in the middle of 28x28. -> {image: Float32Array(784)}; no ink gives an empty image. */
export function prepare(ink, side) {
  let top = side, left = side, bottom = -1, right = -1;
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (ink[y * side + x] > 0.05) {
        top = Math.min(top, y), bottom = Math.max(bottom, y), left = Math.min(left, x), right = Math.max(right, x);
      }
  const image = new Float32Array(SIDE * SIDE);
  if (bottom < 0) return image;
  const height = bottom - top + 1, width = right - left + 1;
  const fit = 20 / Math.max(height, width);
  const rows = Math.max(1, Math.round(height * fit)), cols = Math.max(1, Math.round(width * fit));
  const small = shrink(ink, side, top, left, height, width, rows, cols);
  let mass = 0, my = 0, mx = 0;
  small.forEach((v, i) => {
    mass += v, my += v * Math.floor(i / cols), mx += v * (i % cols);
  });
  const inside = (offset, length) => Math.min(Math.max(Math.round(offset), 0), SIDE - length);
  const y0 = inside(13.5 - my / mass, rows), x0 = inside(13.5 - mx / mass, cols);
  small.forEach((v, i) => (image[(y0 + Math.floor(i / cols)) * SIDE + x0 + (i % cols)] = v));
  return image;
}

/** The ink as it was drawn: the whole pad made small. */
export function asDrawn(ink, side) {
  return shrink(ink, side, 0, 0, side, side, SIDE, SIDE);
}

// Each new pixel is the mean of the area it covers: first along columns, then along rows.
function shrink(ink, side, top, left, height, width, rows, cols) {
  const across = shares(width, cols), down = shares(height, rows);
  const narrow = new Float32Array(height * cols);
  for (let y = 0; y < height; y++)
    across.forEach((list, x) => {
      for (const [i, share] of list) narrow[y * cols + x] += share * ink[(top + y) * side + left + i];
    });
  const small = new Float32Array(rows * cols);
  down.forEach((list, y) => {
    for (const [i, share] of list) for (let x = 0; x < cols; x++) small[y * cols + x] += share * narrow[i * cols + x];
  });
  return small;
}

function shares(length, parts) {
  const step = length / parts;
  return Array.from({ length: parts }, (_, part) => {
    const from = part * step, to = from + step, list = [];
    for (let i = Math.floor(from); i < Math.min(length, to); i++) {
      const share = Math.min(i + 1, to) - Math.max(i, from);
      if (share > 0) list.push([i, share / step]);
    }
    return list;
  });
}

/** The image turned clockwise by angle (degrees), scaled about its centre, then moved: as mnist_lib.transforms.affine. */
export function turn(image, { angle = 0, scale = 1, right = 0, down = 0 }) {
  if (!angle && scale === 1 && !right && !down) return image;
  const cos = Math.cos((angle * Math.PI) / 180) / scale, sin = Math.sin((angle * Math.PI) / 180) / scale;
  const out = new Float32Array(SIDE * SIDE), middle = (SIDE - 1) / 2;
  const at = (y, x) => (y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : image[y * SIDE + x]);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const dx = x - middle - right, dy = y - middle - down;
      const sx = cos * dx + sin * dy + middle, sy = -sin * dx + cos * dy + middle;
      const x0 = Math.floor(sx), y0 = Math.floor(sy), fx = sx - x0, fy = sy - y0;
      const upper = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx, lower = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx;
      out[y * SIDE + x] = upper * (1 - fy) + lower * fy;
    }
  return out;
}

// ---- the view --------------------------------------------------------------------------------------------------------

const TABS = { apart: "Take apart", poison: "Poison", evidence: "Evidence", off: "Switch off", turn: "Turn" };
const STILL = { angle: 0, scale: 1, right: 0, down: 0 };
const TURNS = {
  angle: { name: "Turn", unit: "°", min: -180, max: 180, step: 1, card: [-20, 20] },
  scale: { name: "Scale", unit: "×", min: 0.3, max: 2, step: 0.05, card: [0.9, 1.1] },
  right: { name: "Move right", unit: " px", min: -14, max: 14, step: 1, card: [-3, 3] },
  down: { name: "Move down", unit: " px", min: -14, max: 14, step: 1, card: [-3, 3] },
};

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list" && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const printed = (value, digits = 4) => {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
};
const percent = (share) => (share > 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);
const many = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
const pause = () => new Promise((done) => setTimeout(done));

/** The view on a network, inside `root`. content: {network, weights, digits}, as Python's content() gives them; start: the
 *  number of the digit shown first. `changed(view)` is called after every frame, `stopped` set ends all that is under way. */
export class View {
  constructor(root, content, { changed = () => {}, start = null } = {}) {
    Object.assign(this, { root, changed, ...content, strokes: [], source: null, tab: "apart", off: null, pixel: null });
    const info = this.network;
    const floats = new Float32Array(this.weights.buffer.slice(this.weights.byteOffset, this.weights.byteOffset + this.weights.byteLength));
    this.nets = (info.epochs.length ? info.epochs : [null]).map(
      (_, i) => new Network(info.layers, floats.subarray(i * info.numbers, (i + 1) * info.numbers), info.mean, info.std)
    );
    this.choose(info.epoch);
    this.turned = { ...STILL };
    this.turning = "angle";
    this.prepared = true;
    this.thick = 24;
    this.pen = { x: PAD / 2, y: PAD / 2, down: false };
    this.unit = this.firstUnit();
    this.build();
    this.watch();
    if (start !== null && info.labels.length) this.take(start);
    else this.refresh();
  }

  choose(epoch) {
    this.epoch = epoch;
    const i = this.network.epochs.indexOf(epoch);
    this.net = this.nets[Math.max(i, 0)];
    this.twin = this.net.twin();
  }

  firstUnit() {
    const layers = this.net.layers;
    const layer = Math.max(0, layers.findIndex((l, i) => i > 0 && l.kind === "conv" && l.shape[1] > 1 && l.shape[1] <= 12));
    const [, height, width] = layers[layer].shape;
    return { layer, map: 0, row: Math.floor(height / 2), col: Math.floor(width / 2) };
  }

  // -- building --

  build() {
    this.root.classList.add("inside");
    this.root.replaceChildren();
    this.status = el("div", { className: "in-hidden", role: "status", "aria-live": "polite" });
    this.maps = this.buildMaps();
    this.panel = this.buildPanel();
    const left = el("div", { className: "in-left" }, this.buildPad(), this.buildAnswer());
    this.root.append(el("div", { className: "in-grid" }, left, this.buildShown(), this.maps, this.panel), this.status);
    this.ink = el("canvas", { width: PAD, height: PAD }).getContext("2d", { willReadFrequently: true });
    Object.assign(this.ink, { lineCap: "round", lineJoin: "round" });
    this.showTab("apart");
  }

  buildPad() {
    this.pad = el("canvas", {
      width: PAD, height: PAD, className: "in-pad", tabIndex: 0, role: "application",
      "aria-label": "Drawing pad. Arrow keys move the pen, space puts it down or lifts it, U undoes, Delete clears.",
      onpointerdown: (e) => this.press(e), onpointermove: (e) => this.move(e), onpointerup: () => this.lift(),
      onpointercancel: () => this.lift(), onkeydown: (e) => this.penKey(e),
      onfocus: () => this.movePen(), onblur: () => this.lift(),
    });
    this.hint = el("div", { className: "in-hint" }, "Draw your own digit here");
    this.penMark = el("div", { className: "in-pen", hidden: true });
    const thick = el("input", { type: "range", min: 10, max: 44, value: this.thick, oninput: () => (this.thick = +thick.value) });
    const tools = el("div", { className: "in-tools" },
      el("button", { onclick: () => this.undo() }, "Undo"), el("button", { onclick: () => this.clear() }, "Clear"),
      el("label", {}, "Pen ", thick));
    return el("section", { className: "in-draw" }, el("h3", {}, "Draw a digit"),
      el("div", { className: "in-frame" }, this.pad, this.hint, this.penMark), tools, this.buildDigits());
  }

  buildDigits() {
    const { labels, reads, places } = this.network;
    if (!labels.length) return null;
    const strip = el("div", { className: "in-strip" });
    for (const digit of [...new Set(labels)].filter((d) => d >= 0).sort((a, b) => a - b)) {
      const i = labels.indexOf(digit);
      const small = el("canvas", { width: SIDE, height: SIDE });
      this.small ??= [];
      this.small.push([small, i]);
      strip.append(el("button", { className: "in-digit", onclick: () => this.take(i), "aria-label": `Take a ${digit}` }, small));
    }
    this.number = el("input", { type: "number", min: 0, max: labels.length - 1, value: 0,
      onchange: () => this.take(Math.min(labels.length - 1, Math.max(0, Math.round(+this.number.value) || 0))) });
    const step = (by) => () => this.take(((this.source ?? -by) + by + labels.length) % labels.length);
    this.number.setAttribute("aria-label", "Number of the test digit");
    const rows = el("div", { className: "in-tools" },
      el("button", { onclick: step(-1), "aria-label": "The test digit before" }, "‹"), this.number,
      el("button", { onclick: step(1), "aria-label": "The next test digit" }, "›"));
    const wrong = labels.map((_, i) => i).filter((i) => labels[i] >= 0 && labels[i] !== reads[i]);
    this.wrong = el("select", { onchange: () => this.wrong.value && this.take(+this.wrong.value), "aria-label": "Digits read wrong" },
      el("option", { value: "" }, `Read wrong (${wrong.length})`),
      ...wrong.map((i) => el("option", { value: i }, `no. ${places[i]}: a ${labels[i]}, read as ${reads[i]}`)));
    if (wrong.length) rows.append(this.wrong);
    return el("div", { className: "in-digits" }, el("p", { className: "in-quiet" }, "or take a test digit"), strip, rows);
  }

  buildShown() {
    this.shownCanvas = el("canvas", { className: "in-shown", role: "img", "aria-label": "What the network is shown, 28 by 28 pixels" });
    this.shownCanvas.addEventListener("click", (e) => {
      const box = this.shownCanvas.getBoundingClientRect();
      const at = (position, length) => Math.min(SIDE - 1, Math.max(0, Math.floor((position / length) * SIDE)));
      this.pixel = { row: at(e.clientY - box.top, box.height), col: at(e.clientX - box.left, box.width) };
      this.showTab("poison");
    });
    this.caption = el("p", { className: "in-quiet in-caption" });
    const box = el("input", { type: "checkbox", checked: true, onchange: () => ((this.prepared = box.checked), this.refresh()) });
    return el("section", { className: "in-see" }, el("h3", {}, "What the network is shown"), el("div", { className: "in-beside" }, this.shownCanvas,
      el("div", {}, el("label", { className: "in-switch" }, box, " prepared as MNIST’s makers did"), this.caption)));
  }

  buildAnswer() {
    this.verdict = el("p", { className: "in-verdict" });
    const classes = this.net.layers.at(-1).shape[0];
    this.bars = Array.from({ length: classes }, () => {
      const bar = el("span", { className: "in-bar" }), share = el("span", { className: "in-share" });
      return { bar, share, row: el("li", {}) };
    });
    this.bars.forEach(({ bar, share, row }, i) => row.append(el("b", {}, String(i)), el("span", { className: "in-track" }, bar), share));
    return el("section", { className: "in-answer" }, el("h3", {}, "Its answer"), this.verdict,
      el("ol", { className: "in-bars" }, ...this.bars.map(({ row }) => row)));
  }

  buildMaps() {
    const section = el("section", { className: "in-maps" });
    const info = this.network;
    const total = this.net.layers.reduce((n, layer) => n + layer.out.length, 0);
    section.append(el("h3", {}, "Every map, layer by layer"),
      el("p", { className: "in-quiet" }, `${info.parameters.toLocaleString("en")} learnt numbers make these `
        + `${total.toLocaleString("en")} of your digit. Blue is above zero, orange below, and the darkest the largest of its `
        + "layer. Click any of them: where does it come from?"));
    if (info.epochs.length > 1) section.append(this.buildEpochs());
    this.rows = this.net.layers.map((layer, i) => {
      const [maps, height, width] = layer.shape;
      const { rows, cols } = layer.field;
      const seen = [rows, cols].map((axis) => Math.max(...axis.map(([a, b]) => b - a + 1)));
      const size = height * width > 1 ? many(maps, "map") + ` of ${height}×${width}` : many(maps, "number");
      const canvas = el("canvas", {
        tabIndex: 0, role: "application",
        "aria-label": `${layer.name}: ${size}. Arrow keys move the chosen unit, Page Up and Page Down change the map.`,
        onclick: (e) => this.clickMap(i, e), onkeydown: (e) => this.mapKey(i, e),
      });
      const atlas = el("canvas", { width, height: height * maps }).getContext("2d");
      const pixels = atlas.createImageData(width, height * maps);
      const words = new Uint32Array(pixels.data.buffer);
      const about = el("figcaption", {}, el("b", {}, layer.name), ` ${size} · one sees ${seen[0]}×${seen[1]} pixels`);
      section.append(el("figure", {}, about, canvas));
      return { canvas, context: canvas.getContext("2d"), atlas, pixels, words };
    });
    return section;
  }

  buildEpochs() {
    const { epochs } = this.network;
    const text = (i) => (epochs[i] === 0 ? "before any training" : `after ${many(epochs[i], "epoch")}`);
    const name = el("output", {}, text(epochs.indexOf(this.epoch)));
    this.epochSlider = el("input", {
      type: "range", min: 0, max: epochs.length - 1, step: 1, value: epochs.indexOf(this.epoch), "aria-valuetext": name.value,
      oninput: () => this.setEpoch(epochs[+this.epochSlider.value]),
    });
    this.epochShown = () => {
      const i = epochs.indexOf(this.epoch);
      this.epochSlider.value = i;
      name.value = text(i);
      this.epochSlider.setAttribute("aria-valuetext", text(i));
    };
    return el("label", { className: "in-epochs" }, el("b", {}, "The network"), this.epochSlider, name);
  }

  buildPanel() {
    this.tabs = Object.fromEntries(
      Object.entries(TABS).map(([key, name]) => [key, el("button", {
        role: "tab", onclick: () => this.showTab(key), onkeydown: (e) => this.tabKey(e, key),
      }, name)])
    );
    this.body = el("div", { className: "in-body", role: "tabpanel", tabIndex: 0 });
    return el("section", { className: "in-panel" }, el("div", { className: "in-tabs", role: "tablist", "aria-label": "Ask the network" },
      ...Object.values(this.tabs)), this.body);
  }

  tabKey(event, key) {
    const keys = Object.keys(TABS), by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = keys[(keys.indexOf(key) + by + keys.length) % keys.length];
    this.showTab(next);
    this.tabs[next].focus();
  }

  showTab(key) {
    this.tab = key;
    for (const [name, tab] of Object.entries(this.tabs)) {
      tab.setAttribute("aria-selected", name === key);
      tab.tabIndex = name === key ? 0 : -1;
    }
    this.body.setAttribute("aria-label", TABS[key]);
    if (key === "poison") this.pixel ??= { row: 13, col: 14 };
    this.body.replaceChildren(...this[`${key}Panel`]());
    this.refresh();
  }

  // -- drawing --

  point(event) {
    const box = this.pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * PAD, ((event.clientY - box.top) / box.height) * PAD];
  }

  begin(point) {
    if (this.source !== null) this.strokes = [];
    this.source = null;
    this.stroke = { width: this.thick, points: [point] };
    this.strokes.push(this.stroke);
    this.redraw();
  }

  extend(point) {
    if (!this.stroke) return;
    const [last] = this.stroke.points.slice(-1);
    this.stroke.points.push(point);
    this.line(this.stroke.width, last, point);
    this.refresh();
  }

  press(event) {
    event.preventDefault();
    this.pad.focus({ preventScroll: true });
    this.penMark.hidden = true;
    this.pad.setPointerCapture?.(event.pointerId);
    this.begin(this.point(event));
  }

  move(event) {
    if (!this.stroke || this.pen.down) return;
    const all = event.getCoalescedEvents?.() ?? [];
    (all.length ? all : [event]).forEach((one) => this.extend(this.point(one)));
  }

  lift() {
    this.stroke = null;
    this.pen.down = false;
    this.penMark.classList.remove("in-down");
    this.penMark.hidden = true;
  }

  penKey(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const step = event.shiftKey ? 2 : 10;
    if (by) {
      this.pen.x = Math.min(PAD - 10, Math.max(10, this.pen.x + by[0] * step));
      this.pen.y = Math.min(PAD - 10, Math.max(10, this.pen.y + by[1] * step));
      if (this.pen.down) this.extend([this.pen.x, this.pen.y]);
    } else if (event.key === " ") {
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.begin([this.pen.x, this.pen.y]);
      else this.stroke = null;
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key.toLowerCase() === "u" || (event.key === "z" && event.ctrlKey)) this.undo();
    else return;
    event.preventDefault();
    this.movePen();
  }

  movePen() {
    this.penMark.hidden = !this.pad.matches(":focus-visible");
    this.penMark.classList.toggle("in-down", this.pen.down);
    this.penMark.style.left = `${(100 * this.pen.x) / PAD}%`;
    this.penMark.style.top = `${(100 * this.pen.y) / PAD}%`;
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
    this.ink.clearRect(0, 0, PAD, PAD);
    for (const { width, points } of this.strokes) points.forEach((point, i) => this.line(width, points[Math.max(0, i - 1)], point));
    this.refresh();
  }

  undo() {
    if (this.source === null) this.strokes.pop();
    this.source = null;
    this.redraw();
  }

  clear() {
    this.strokes = [];
    this.source = null;
    this.redraw();
  }

  /** Show the digit with this number in `digits`. */
  take(i) {
    this.source = i;
    this.strokes = [];
    this.ink.clearRect(0, 0, PAD, PAD);
    this.number.value = i;
    this.wrong.value = String(i);
    if (this.wrong.selectedIndex < 0) this.wrong.value = "";
    this.refresh();
  }

  digit(i) {
    return Float32Array.from(this.digits.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), (v) => v / 255);
  }

  /** The pad's ink, 280 x 280 from 0 to 1. */
  inked() {
    const { data } = this.ink.getImageData(0, 0, PAD, PAD);
    this.alpha ??= new Float32Array(PAD * PAD);
    for (let i = 0; i < this.alpha.length; i++) this.alpha[i] = data[4 * i + 3] / 255;
    return this.alpha;
  }

  /** The drawing as the network is shown it: Float32Array(784). */
  prepare() {
    if (!this.strokes.length) return new Float32Array(SIDE * SIDE);
    return (this.prepared ? prepare : asDrawn)(this.inked(), PAD);
  }

  // -- one frame --

  refresh() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (this.stopped) return;
    this.plain = this.source === null ? this.prepare() : this.digit(this.source);
    this.image = turn(this.plain, this.turned);
    this.empty = !this.image.some((v) => v > 0);
    this.net.run(this.image, { off: this.off });
    this.logits = this.empty ? null : Float32Array.from(this.net.logits);
    this.dead = this.tab === "poison" ? poison(this.twin, this.image, this.pixel.row, this.pixel.col) : null;
    this.drawPad();
    this.drawMaps();
    this.drawAnswer();
    this[`${this.tab}Draw`]();
    this.drawShown();
    this.changed(this);
  }

  colours() {
    const style = getComputedStyle(this.root);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const key = ["ink", "paper", "above", "below", "dead", "mark", "quiet"].map(read).join();
    if (this.theme?.key === key) return this.theme;
    const [ink, paper, above, below, dead, mark, quiet] = key.split(",");
    const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const word = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    const mix = (a, b, share) => a.map((v, i) => Math.round(v + (b[i] - v) * share));
    // from paper over the colour towards ink
    const ramp = (colour, share) => (share < 0.7 ? mix(rgb(paper), rgb(colour), share / 0.7) : mix(rgb(colour), rgb(ink), (share - 0.7) * 1.6));
    const table = Uint32Array.from({ length: 511 }, (_, i) => word(i < 255 ? ramp(below, (255 - i) / 255) : ramp(above, (i - 255) / 255)));
    const grey = Uint32Array.from({ length: 256 }, (_, i) => word(mix(rgb(paper), rgb(ink), i / 255)));
    return (this.theme = { key, ink, paper, above, below, dead, mark, quiet, table, grey, deadWord: word(rgb(dead)) });
  }

  paint(words, values, top) {
    const { table, deadWord } = this.theme;
    for (let i = 0; i < values.length; i++) {
      const v = values[i];
      words[i] = v !== v ? deadWord : table[255 + Math.round((255 * v) / top)];
    }
  }

  drawPad() {
    const { ink } = this.colours();
    const context = (this.padContext ??= this.pad.getContext("2d"));
    context.clearRect(0, 0, PAD, PAD);
    if (this.source !== null) {
      context.imageSmoothingEnabled = false;
      context.drawImage(this.greyed(this.digit(this.source)), 0, 0, PAD, PAD);
    } else {
      context.drawImage(this.ink.canvas, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = ink;
      context.fillRect(0, 0, PAD, PAD);
      context.globalCompositeOperation = "source-over";
    }
    this.hint.hidden = this.source === null && this.strokes.length > 0;
    if (this.small && this.smallKey !== this.theme.key) {
      this.small.forEach(([canvas, i]) => canvas.getContext("2d").drawImage(this.greyed(this.digit(i)), 0, 0));
      this.smallKey = this.theme.key;
    }
  }

  greyed(image) {
    this.grey ??= el("canvas", { width: SIDE, height: SIDE }).getContext("2d");
    const pixels = this.grey.createImageData(SIDE, SIDE), words = new Uint32Array(pixels.data.buffer);
    image.forEach((v, i) => (words[i] = this.theme.grey[Math.round(255 * Math.min(1, Math.max(0, v)))]));
    this.grey.putImageData(pixels, 0, 0);
    return this.grey.canvas;
  }

  // Where each map lies in its layer's canvas, in CSS pixels.
  layout() {
    const width = Math.floor(this.maps.clientWidth - 2 * parseFloat(getComputedStyle(this.maps).paddingLeft));
    const ratio = window.devicePixelRatio || 1;
    if (this.laid === `${width} ${ratio}` || width < 50) return;
    this.laid = `${width} ${ratio}`;
    const across = width >= 480 ? 16 : 8, gap = 3;
    this.net.layers.forEach(({ shape: [maps, rows, cols] }, i) => {
      const flat = rows * cols === 1;
      const tile = flat ? Math.min(24, Math.floor((width + gap) / Math.min(16, across * 2)) - gap) : Math.min(72, Math.floor((width + gap) / across) - gap);
      const columns = Math.max(1, Math.floor((width + gap) / (tile + gap)));
      const high = Math.max(4, Math.round((tile * rows) / cols));
      const height = Math.ceil(maps / columns) * (high + gap) - gap;
      const { canvas } = this.rows[i];
      const used = Math.min(maps, columns) * (tile + gap) - gap;
      Object.assign(canvas.style, { width: `${used}px`, height: `${height}px` });
      canvas.width = Math.round(used * ratio);
      canvas.height = Math.round(height * ratio);
      Object.assign(this.rows[i], { tile, high, gap, columns, ratio });
    });
  }

  corner(i, map) {
    const { tile, high, gap, columns } = this.rows[i];
    return [(map % columns) * (tile + gap), Math.floor(map / columns) * (high + gap)];
  }

  drawMaps() {
    this.layout();
    if (!this.laid) return;
    const theme = this.colours();
    this.net.layers.forEach((layer, i) => {
      const [maps, rows, cols] = layer.shape;
      const { context, atlas, pixels, words, tile, high, ratio } = this.rows[i];
      let top = 1e-6;
      for (const v of layer.out) top = Math.max(top, Math.abs(v));
      this.paint(words, layer.out, top);
      if (this.dead) {
        const dead = this.twin.layers[i].out;
        for (let j = 0; j < dead.length; j++) if (dead[j] !== dead[j]) words[j] = theme.deadWord;
      }
      atlas.putImageData(pixels, 0, 0);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
      context.imageSmoothingEnabled = false;
      context.lineWidth = 1;
      Object.assign(context, { font: "600 11px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
      for (let m = 0; m < maps; m++) {
        const [x, y] = this.corner(i, m);
        context.drawImage(atlas.canvas, 0, m * rows, cols, rows, x, y, tile, high);
        if (layer !== this.net.layers.at(-1)) continue;
        context.fillStyle = Math.abs(layer.out[m]) / top > 0.35 ? theme.paper : theme.ink; // which answer it is
        context.fillText(String(m), x + tile / 2, y + high / 2 + 0.5);
      }
      this.mark(i, layer, context);
    });
  }

  // The chosen unit, and in the layers before it the units that it is made of.
  mark(i, layer, context) {
    const { unit, theme } = this, { tile, high } = this.rows[i];
    const [maps, rows, cols] = layer.shape;
    const box = (map, [top, bottom], [left, right]) => {
      const [x, y] = this.corner(i, map);
      const [t, b] = [Math.max(top, 0), Math.min(bottom, rows - 1)], [l, r] = [Math.max(left, 0), Math.min(right, cols - 1)];
      context.rect(x + (l * tile) / cols + 0.5, y + (t * high) / rows + 0.5, ((r - l + 1) * tile) / cols - 1, ((b - t + 1) * high) / rows - 1);
    };
    context.beginPath();
    if (i < unit.layer && (this.tab === "apart" || this.tab === "off")) {
      const { rows, cols } = this.net.layers[unit.layer].cone[i];
      const one = this.fromOneMap(i);
      for (let m = 0; m < maps; m++) if (one === null || one(m)) box(m, rows[unit.row], cols[unit.col]);
      context.lineWidth = 1;
    }
    if (i === unit.layer) {
      box(unit.map, [unit.row, unit.row], [unit.col, unit.col]);
      const [x, y] = this.corner(i, unit.map);
      context.rect(x + 0.5, y + 0.5, tile - 1, high - 1);
      context.lineWidth = 2;
    }
    context.strokeStyle = theme.mark;
    context.stroke();
    if (this.off?.layer === i) {
      const [x, y] = this.corner(i, this.off.map);
      context.beginPath();
      context.moveTo(x, y), context.lineTo(x + tile, y + high), context.moveTo(x + tile, y), context.lineTo(x, y + high);
      context.strokeStyle = theme.dead;
      context.lineWidth = 2;
      context.stroke();
    }
  }

  // Pooling and grouped convolutions take some maps only: which ones of layer i does the unit see? null: all.
  fromOneMap(i) {
    let seen = new Set([this.unit.map]);
    for (let k = this.unit.layer; k > i; k--) {
      const { kind, groups, inputs, shape } = this.net.layers[k];
      if (kind !== "conv") continue;
      if (groups === 1) return null;
      const size = inputs[0] / groups;
      const next = new Set();
      for (const map of seen) for (let j = 0; j < size; j++) next.add(Math.floor(map / (shape[0] / groups)) * size + j);
      seen = next;
    }
    return (map) => seen.has(map);
  }

  drawAnswer() {
    const { logits } = this;
    const shares = logits ? softmax(logits) : null;
    const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
    this.best = best;
    this.bars.forEach(({ bar, share, row }, i) => {
      bar.style.width = shares ? `${100 * shares[i]}%` : "0";
      share.textContent = shares ? percent(shares[i]) : "–";
      row.title = logits ? `logit ${printed(logits[i])}` : "";
      row.classList.toggle("in-best", i === best);
    });
    const label = this.source === null ? null : this.network.labels[this.source];
    const told = label === null || label < 0 ? "" : label === best ? "and a " + label + " it is" : `but the label says ${label}`;
    const words = shares ? [el("b", {}, String(best)), el("span", {}, `${percent(shares[best])} sure `, el("i", {}, told))] : [el("span", {}, "Nothing drawn, so no answer.")];
    this.verdict.replaceChildren(...words);
    this.verdict.classList.toggle("in-wrong", label !== null && label >= 0 && label !== best);
    const spoken = shares ? `The network reads a ${best}, ${percent(shares[best])} sure${told ? ", " + told : ""}.` : "Nothing drawn, so no answer.";
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.status.textContent !== spoken && (this.status.textContent = spoken), 400);
    this.caption.textContent =
      this.source !== null ? `Test digit no. ${this.network.places[this.source]}: it comes prepared.`
      : this.prepared ? "Cropped, fitted into 20×20, centred by its mass." : "The pad made small, nothing else.";
  }

  drawShown() {
    const canvas = this.shownCanvas, side = Math.round(canvas.clientWidth) || 196, ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
    const context = canvas.getContext("2d"), px = side / SIDE, { theme } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.greyed(this.image), 0, 0, side, side);
    this[`${this.tab}Over`]?.(context, px, theme);
  }

  fieldOver(context, px, theme) {
    const { unit } = this, { rows, cols } = this.net.layers[unit.layer].field;
    const [top, bottom] = rows[unit.row], [left, right] = cols[unit.col];
    const [t, b, l, r] = [Math.max(top, 0), Math.min(bottom, SIDE - 1), Math.max(left, 0), Math.min(right, SIDE - 1)];
    context.strokeStyle = theme.mark;
    context.lineWidth = 2;
    context.strokeRect(l * px + 1, t * px + 1, (r - l + 1) * px - 2, (b - t + 1) * px - 2);
  }

  watch() {
    this.resized = new ResizeObserver(() => this.refresh());
    this.resized.observe(this.root);
    const again = () => this.refresh();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", again);
    this.themes = new MutationObserver(again);
    for (const node of [document.body, document.documentElement]) this.themes.observe(node, { attributes: true });
    this.stop = () => {
      this.stopped = true;
      this.resized.disconnect();
      this.themes.disconnect();
      this.dark.removeEventListener("change", again);
      cancelAnimationFrame(this.frame);
    };
  }

  // -- choosing --

  setEpoch(epoch) {
    if (epoch === this.epoch || !this.network.epochs.includes(epoch)) return;
    this.choose(epoch);
    this.epochShown();
    this.refresh();
  }

  setUnit(unit) {
    const layer = this.net.layers[Math.min(Math.max(unit.layer, 0), this.net.layers.length - 1)];
    const within = (value, length) => Math.min(Math.max(Math.round(value) || 0, 0), length - 1);
    const [maps, rows, cols] = layer.shape;
    this.unit = { layer: this.net.layers.indexOf(layer), map: within(unit.map, maps), row: within(unit.row, rows), col: within(unit.col, cols) };
    if (this.tab === "off" && this.off) this.off = { layer: this.unit.layer, map: this.unit.map };
    this.body.replaceChildren(...this[`${this.tab}Panel`]());
    this.refresh();
  }

  clickMap(i, event) {
    const { canvas, tile, high, gap, columns } = this.rows[i], [maps, rows, cols] = this.net.layers[i].shape;
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const column = Math.floor(x / (tile + gap)), line = Math.floor(y / (high + gap));
    const map = line * columns + column;
    if (map >= maps || column >= columns) return;
    if (this.tab === "evidence" || this.tab === "turn") this.showTab("apart");
    this.setUnit({ layer: i, map, row: Math.floor(((y - line * (high + gap)) / high) * rows), col: Math.floor(((x - column * (tile + gap)) / tile) * cols) });
    if (this.root.clientWidth < 700) {
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.panel.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
    }
  }

  mapKey(i, event) {
    const by = { ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], PageUp: [-1, 0, 0], PageDown: [1, 0, 0] }[event.key];
    if (!by && event.key !== "Enter") return;
    event.preventDefault();
    const here = this.unit.layer === i ? this.unit : { layer: i, map: 0, row: 0, col: 0 };
    const [map, row, col] = by ?? [0, 0, 0];
    this.setUnit({ layer: i, map: here.map + map, row: here.row + row, col: here.col + col });
  }

  // layer, map, row and column of the chosen unit, to choose by keyboard
  unitInputs(...wanted) {
    const { layer: l } = this.unit, layer = this.net.layers[l], [maps, rows, cols] = layer.shape;
    const change = (key) => (e) => this.setUnit({ ...this.unit, [key]: +e.target.value });
    const select = el("select", { onchange: change("layer") }, ...this.net.layers.map((one, i) => el("option", { value: i, selected: i === l }, one.name)));
    const field = (key, n) => el("input", { type: "number", min: 0, max: n - 1, value: this.unit[key], onchange: change(key) });
    const all = { layer: select, map: field("map", maps), row: field("row", rows), col: field("col", cols) };
    const names = { layer: "layer", map: "map", row: "row", col: "column" };
    return el("div", { className: "in-unit" }, ...wanted.map((key) => el("label", {}, names[key], all[key])));
  }

  // -- take a number apart --

  apartPanel() {
    const layer = this.net.layers[this.unit.layer];
    this.parts = takeApart(this.net, this.unit);
    this.number_ = el("b", { className: "in-result" });
    this.sees = el("p", { className: "in-quiet" });
    const head = { conv: ["from map", "patch", "× kernel", "= sum"], max: ["from map", "patch", "", "largest"], mean: ["from map", "patch", "", "mean"], same: ["from map", "", "", "number"] };
    this.lines = this.parts.rows.map((row) => {
      const cells = row.patch.map(() => null);
      const canvas = () => el("canvas", { width: row.width, height: Math.ceil(cells.length / row.width), className: "in-patch" });
      const kernel = row.kernel ? canvas() : null, patch = canvas(), sum = el("td", { className: "in-number" });
      const name = this.unit.layer ? String(row.map) : "the image";
      const look = el("button", { className: "in-look", onclick: () => this.lookAt(row.map), "aria-label": `Show the numbers of map ${name}` }, name);
      return { patch, kernel, sum, node: el("tr", {}, el("td", {}, look), el("td", {}, patch), el("td", {}, kernel ?? ""), sum) };
    });
    this.looked = this.parts.rows[0].map;
    this.close = el("div", { className: "in-close" });
    this.stepsTable = el("table", { className: "in-steps" });
    return [
      el("h3", {}, "Where does this number come from?"), this.unitInputs("layer", "map", "row", "col"),
      el("p", { className: "in-is" }, `${layer.name}, map ${this.unit.map}, row ${this.unit.row}, column ${this.unit.col} is `, this.number_), this.sees,
      el("div", { className: "in-scroll", tabIndex: 0, role: "group", "aria-label": "The sums" },
        el("table", { className: "in-sums" }, el("thead", {}, el("tr", {}, ...head[layer.kind].map((t) => el("th", {}, t)))), el("tbody", {}, ...this.lines.map((l) => l.node)))),
      this.stepsTable, this.close,
    ];
  }

  lookAt(map) {
    this.looked = map;
    this.refresh();
  }

  apartDraw() {
    const now = performance.now();
    if (this.stroke && now - (this.apartAt ?? 0) < 100) { // while the pen moves, the small print follows ten times a second
      clearTimeout(this.later);
      this.later = setTimeout(() => this.refresh(), 120);
      return;
    }
    this.apartAt = now;
    const parts = (this.parts = takeApart(this.net, this.unit)), { unit } = this;
    const layer = this.net.layers[unit.layer], theme = this.colours();
    const off = this.off?.layer === unit.layer && this.off.map === unit.map;
    this.number_.textContent = off ? "0, switched off" : printed(parts.result);
    const [t, b] = layer.field.rows[unit.row], [l, r] = layer.field.cols[unit.col];
    const beyond = t < 0 || l < 0 || b >= SIDE || r >= SIDE;
    this.sees.textContent = `It sees the ${b - t + 1}×${r - l + 1} pixels in the orange box` + (beyond ? ", padding beyond the edges counted." : ".");
    let top = 1e-6, strong = 1e-6;
    for (const { patch, kernel } of parts.rows) {
      for (const v of patch) top = Math.max(top, Math.abs(v));
      for (const v of kernel ?? []) strong = Math.max(strong, Math.abs(v));
    }
    parts.rows.forEach((row, i) => {
      const { patch, kernel, sum } = this.lines[i];
      this.tiny(patch, row.patch, top);
      if (kernel) this.tiny(kernel, row.kernel, strong);
      sum.textContent = printed(row.sum);
    });
    const lines = [];
    const add = (what, value, note = "") => lines.push(el("tr", {}, el("th", {}, what, note ? el("small", {}, note) : ""), el("td", { className: "in-number" }, printed(value))));
    if (parts.kind === "conv") {
      add(`sum of ${many(parts.rows.length, unit.layer ? "map" : "image")}`, parts.total - parts.bias);
      add("+ bias", parts.bias);
      add("=", parts.total);
    } else add(parts.kind === "max" ? "the largest" : parts.kind === "mean" ? "the mean" : "the number", parts.total);
    for (const step of parts.steps) {
      if (step.kind === "ReLU") add("ReLU", step.after, step.before < 0 ? "below 0 becomes 0" : "above 0 stays");
      else add("BatchNorm", step.after, `(${printed(step.before)} − ${printed(step.mean)}) / √(${printed(step.variance)} + ε) × ${printed(step.weight)} + ${printed(step.bias)}`.replace("+ −", "− ").replace("− −", "+ "));
    }
    this.stepsTable.replaceChildren(...lines);
    const row = parts.rows.find((one) => one.map === this.looked) ?? parts.rows[0];
    const grid = (values) => el("table", { className: "in-grid-numbers" }, ...Array.from({ length: Math.ceil(values.length / row.width) }, (_, y) =>
      el("tr", {}, ...values.slice(y * row.width, (y + 1) * row.width).map((v) => el("td", {}, printed(v, 2))))));
    const from = unit.layer ? `Map ${row.map}` : "The image";
    this.close.replaceChildren(el("p", { className: "in-quiet" }, row.kernel ? `${from} closer: patch × kernel, number by number` : `${from} closer`),
      el("div", { className: "in-scroll-x", tabIndex: 0, role: "group", "aria-label": "Numbers of one map" }, grid(row.patch), ...(row.kernel ? [el("span", {}, "×"), grid(row.kernel)] : [])));
  }

  apartOver(context, px, theme) {
    this.fieldOver(context, px, theme);
  }

  tiny(canvas, values, top) {
    const context = canvas.getContext("2d"), pixels = context.createImageData(canvas.width, canvas.height);
    this.paint(new Uint32Array(pixels.data.buffer), values, top);
    context.putImageData(pixels, 0, 0);
  }

  // -- poison --

  poisonPanel() {
    const change = (key) => (e) => ((this.pixel = { ...this.pixel, [key]: Math.min(SIDE - 1, Math.max(0, Math.round(+e.target.value) || 0)) }), this.refresh());
    this.pixelInputs = ["row", "col"].map((key) => el("input", { type: "number", min: 0, max: SIDE - 1, onchange: change(key) }));
    this.deadTable = el("tbody");
    this.reverse = el("p");
    this.killed = null;
    return [
      el("h3", {}, "Poison one pixel"),
      el("p", {}, "Click a pixel of what the network is shown. It becomes NaN, “not a number”, and so does every unit that depends on it, in purple."),
      el("div", { className: "in-unit" }, el("label", {}, "row", this.pixelInputs[0]), el("label", {}, "column", this.pixelInputs[1])),
      el("table", { className: "in-dead" }, el("thead", {}, el("tr", {}, ...["layer", "places that die", "of"].map((t) => el("th", {}, t)))), this.deadTable),
      el("h3", {}, "The reverse: which pixels kill one unit?"), this.unitInputs("layer", "row", "col"), this.reverse,
    ];
  }

  poisonDraw() {
    this.pixelInputs[0].value = this.pixel.row, this.pixelInputs[1].value = this.pixel.col;
    const rows = this.twin.layers.map(({ name, shape: [maps, height, width], out }) => {
      let dead = 0;
      for (let p = 0; p < height * width; p++) for (let m = 0; m < maps; m++) if (Number.isNaN(out[m * height * width + p])) { dead++; break; }
      return el("tr", {}, el("th", {}, name), el("td", { className: "in-number" }, String(dead)), el("td", { className: "in-number" }, String(height * width)));
    });
    this.deadTable.replaceChildren(...rows);
    if (this.killed) return;
    this.reverse.textContent = "Trying every row and every column …";
    clearTimeout(this.killing);
    this.killing = setTimeout(() => {
      if (this.stopped || this.tab !== "poison") return;
      this.killed = killers(this.net.twin(), this.unit);
      const n = this.killed.reduce((a, b) => a + b, 0), { name } = this.net.layers[this.unit.layer];
      this.reverse.textContent = `${many(n, "pixel")} of 784 kill ${name}, row ${this.unit.row}, column ${this.unit.col}: they are tinted orange.`;
      this.refresh();
    }, 60);
  }

  poisonOver(context, px, theme) {
    context.fillStyle = theme.mark;
    context.globalAlpha = 0.35;
    this.killed?.forEach((kills, p) => kills && context.fillRect((p % SIDE) * px, Math.floor(p / SIDE) * px, px, px));
    context.globalAlpha = 1;
    context.fillStyle = theme.dead;
    context.fillRect(this.pixel.col * px, this.pixel.row * px, px, px);
    context.strokeStyle = theme.ink;
    context.lineWidth = 1;
    context.strokeRect(this.pixel.col * px, this.pixel.row * px, px, px);
  }

  // -- evidence --

  evidencePanel() {
    const classes = this.net.layers.at(-1).shape[0];
    if (!evidence(this.net, 0)) {
      return [el("h3", {}, "Evidence"), el("p", {}, "Answers split into places only where a network ends in one mean over each map, followed by one layer of weights.")];
    }
    const options = (first) => [el("option", { value: "" }, first), ...Array.from({ length: classes }, (_, i) => el("option", { value: i }, String(i)))];
    const choice = (key, first) => {
      const select = el("select", { onchange: () => ((this[key] = select.value === "" ? null : +select.value), this.refresh()) }, ...options(first));
      select.value = this[key] ?? "";
      return select;
    };
    this.equation = el("p", { className: "in-equation" });
    this.places = el("table", { className: "in-places" });
    return [
      el("h3", {}, "Where does the answer come from?"),
      el("div", { className: "in-unit" }, el("label", {}, "why", choice("why", "the answer")), el("label", {}, "and not", choice("whyNot", "(nothing else)"))),
      el("p", {}, "Every place of the last maps adds its share to the answer. The shares, at the pixels they are centred on, and as numbers:"),
      this.places, this.equation,
      el("p", { className: "in-quiet" }, "Blue speaks for it, orange against. Each place sees more than its square; click the last maps to see how much."),
    ];
  }

  shares() {
    if (this.empty || !evidence(this.net, 0)) return null;
    const why = this.why ?? this.best;
    const one = evidence(this.net, why);
    if (this.whyNot === null || this.whyNot === undefined) return { ...one, name: `the logit of ${why}`, logit: this.logits[why] };
    const other = evidence(this.net, this.whyNot);
    return {
      places: one.places.map((v, i) => v - other.places[i]), bias: one.bias - other.bias,
      name: `the logit of ${why} less that of ${this.whyNot}`, logit: this.logits[why] - this.logits[this.whyNot],
    };
  }

  evidenceDraw() {
    this.share = this.shares();
    if (!this.places?.isConnected) return;
    if (!this.share) return this.places.replaceChildren(), (this.equation.textContent = "Draw a digit first: there is no answer yet.");
    const { places, bias, name } = this.share, theme = this.colours();
    const [, rows, cols] = this.net.layers.at(-3).shape;
    const top = Math.max(1e-6, ...places.map(Math.abs));
    this.places.replaceChildren(...Array.from({ length: rows }, (_, r) => el("tr", {}, ...Array.from({ length: cols }, (_, c) => {
      const v = places[r * cols + c], cell = el("td", {}, printed(v, 2));
      cell.style.background = `color-mix(in srgb, ${v < 0 ? theme.below : theme.above} ${Math.round((45 * Math.abs(v)) / top)}%, transparent)`;
      return cell;
    }))));
    const sum = places.reduce((a, b) => a + b, 0);
    this.equation.replaceChildren(`${many(places.length, "place")} `, el("b", {}, printed(sum)), " + bias ", el("b", {}, printed(bias)), " = ", el("b", {}, printed(sum + bias)), `, ${name}`);
  }

  evidenceOver(context, px, theme) {
    if (!this.share) return;
    const layer = this.net.layers.at(-3), [, rows, cols] = layer.shape, { places } = this.share;
    const top = Math.max(1e-6, ...places.map(Math.abs));
    const middle = (axis) => axis.map(([a, b]) => (a + b + 1) / 2);
    const ys = middle(layer.field.rows), xs = middle(layer.field.cols);
    const step = (all) => (all.length > 1 ? (all.at(-1) - all[0]) / (all.length - 1) : SIDE);
    const h = step(ys) * px, w = step(xs) * px;
    places.forEach((v, i) => {
      const y = ys[Math.floor(i / cols)] * px, x = xs[i % cols] * px;
      context.fillStyle = v < 0 ? theme.below : theme.above;
      context.globalAlpha = (0.85 * Math.abs(v)) / top;
      context.fillRect(x - w / 2, y - h / 2, w, h);
    });
    context.globalAlpha = 1;
    context.strokeStyle = theme.quiet;
    context.lineWidth = 1;
    context.strokeRect(xs[0] * px - w / 2, ys[0] * px - h / 2, cols * w, rows * h);
  }

  // -- switch a map off --

  offPanel() {
    const { unit } = this, layer = this.net.layers[unit.layer], last = unit.layer === this.net.layers.length - 1;
    const box = el("input", { type: "checkbox", checked: Boolean(this.off), disabled: last,
      onchange: () => ((this.off = box.checked ? { layer: unit.layer, map: unit.map } : null), this.showTab("off")) });
    this.change = el("p");
    this.progress = el("progress", { max: 1, value: 0, hidden: true, "aria-label": "Test digits read" });
    this.tested = el("p", { role: "status" });
    const n = Math.min(1000, this.network.labels.length);
    this.tryAll = el("button", { className: "in-big", disabled: !this.off || !n, onclick: () => this.overMany(n) }, `Read ${n.toLocaleString("en")} test digits without it`);
    return [
      el("h3", {}, "What is one map good for?"), this.unitInputs("layer", "map"),
      el("label", { className: "in-switch" }, box, last ? " (the answers can’t be switched off)" : ` switch ${layer.name}, map ${unit.map} off: all its numbers become 0`),
      this.change, n ? this.tryAll : "", this.progress, this.tested,
    ];
  }

  offDraw() {
    if (this.empty) return (this.change.textContent = "Draw a digit first: there is no answer yet.");
    if (!this.off) return (this.change.textContent = "Click any map to choose it, then switch it off and watch the answer.");
    const before = softmax(this.twin.run(this.image).at(-1)), after = softmax(this.logits);
    const top = (shares) => shares.indexOf(Math.max(...shares));
    const [a, b] = [top(before), top(after)];
    this.change.replaceChildren(
      "For this digit: ", el("b", {}, `${a}, ${percent(before[a])} sure`), " with it; ", el("b", {}, `${b}, ${percent(after[b])} sure`), " without it.");
  }

  /** Read the first n digits with the map and without it: -> [right with, right without]. */
  async overMany(n) {
    const run = (this.running = {}), { off, net } = this, one = net.twin(), other = net.twin(), { labels } = this.network;
    const best = (values) => values.indexOf(Math.max(...values));
    let [withIt, without] = [0, 0];
    this.progress.hidden = false;
    this.tryAll.disabled = true;
    for (let i = 0; i < n; ) {
      const until = performance.now() + 20;
      do {
        const image = this.digit(i);
        withIt += best(one.run(image).at(-1)) === labels[i];
        without += best(other.run(image, { off }).at(-1)) === labels[i];
        i++;
      } while (i < n && performance.now() < until);
      this.progress.value = i / n;
      await pause();
      if (this.stopped || run !== this.running || this.tab !== "off" || this.off !== off) return null;
    }
    this.progress.hidden = true;
    this.tryAll.disabled = false;
    const less = withIt - without;
    this.tested.textContent = `Of ${n.toLocaleString("en")} test digits ${withIt} are read right with it and ${without} without it: `
      + (less > 0 ? `${less} fewer.` : less < 0 ? `${-less} more.` : "as many.");
    return [withIt, without];
  }

  offOver(context, px, theme) {
    this.fieldOver(context, px, theme);
  }

  // -- turn, move, scale --

  turnPanel() {
    this.turnInputs = Object.entries(TURNS).map(([key, { name, unit, min, max, step, card }]) => {
      const value = el("output", {});
      const input = el("input", { type: "range", min, max, step, value: this.turned[key],
        oninput: () => ((this.turned[key] = +input.value), (this.turning = key), this.refresh()) });
      const show = () => ((input.value = this.turned[key]), (value.textContent = `${printed(this.turned[key], step < 1 ? 2 : 0)}${unit}`));
      const range = key === "scale" ? `${card[0]} to ${card[1]}` : `±${card[1]}`;
      return { show, node: el("label", { className: "in-turn" }, el("span", {}, name, el("small", {}, ` (augmentation: ${range})`)), input, value) };
    });
    this.curve = el("canvas", { className: "in-curve", role: "img", "aria-label": "How sure the network is, along the last slider moved" });
    this.told = el("p", { className: "in-quiet" });
    return [
      el("h3", {}, "When does the answer give way?"), ...this.turnInputs.map(({ node }) => node),
      el("button", { onclick: () => ((this.turned = { ...STILL }), this.refresh()) }, "As it was"), this.curve, this.told,
    ];
  }

  turnDraw() {
    this.turnInputs.forEach(({ show }) => show());
    clearTimeout(this.curving);
    this.curving = setTimeout(() => !this.stopped && this.tab === "turn" && this.drawCurve(), this.stroke ? 250 : 30);
  }

  // How sure the network is of what it reads in the digit as it was, along the slider moved last.
  drawCurve() {
    const { min, max, card, name, unit } = TURNS[this.turning], n = 41, { twin, curve } = this, theme = this.colours();
    const width = curve.clientWidth || 340, height = 130, ratio = window.devicePixelRatio || 1;
    Object.assign(curve, { width: width * ratio, height: height * ratio });
    const context = curve.getContext("2d");
    context.scale(ratio, ratio);
    if (this.empty && !this.plain.some((v) => v > 0)) return (this.told.textContent = "Draw a digit first: there is no answer yet.");
    const still = { ...this.turned, [this.turning]: STILL[this.turning] };
    const read = (value) => softmax(twin.run(turn(this.plain, { ...still, [this.turning]: value })).at(-1));
    const shares = read(STILL[this.turning]), best = shares.indexOf(Math.max(...shares));
    const x = (value) => 4 + ((value - min) / (max - min)) * (width - 8), y = (share) => height - 18 - share * (height - 30);
    context.fillStyle = theme.above;
    context.globalAlpha = 0.12;
    context.fillRect(x(card[0]), y(1), x(card[1]) - x(card[0]), y(0) - y(1));
    context.globalAlpha = 1;
    context.strokeStyle = theme.quiet;
    context.lineWidth = 1;
    context.strokeRect(4.5, Math.round(y(1)) + 0.5, width - 9, Math.round(y(0) - y(1)));
    context.fillStyle = theme.quiet;
    context.font = "11px system-ui, sans-serif";
    context.fillText(`${min}${unit}`, 4, height - 4);
    context.textAlign = "right";
    context.fillText(`${max}${unit}`, width - 4, height - 4);
    context.textAlign = "left";
    context.fillText("100 %", 8, y(1) + 12);
    context.beginPath();
    for (let i = 0; i < n; i++) {
      const value = min + ((max - min) * i) / (n - 1);
      context.lineTo(x(value), y(read(value)[best]));
    }
    context.strokeStyle = theme.above;
    context.lineWidth = 2;
    context.stroke();
    const here = this.turned[this.turning];
    context.beginPath();
    context.arc(x(here), y(read(here)[best]), 4, 0, 7);
    context.fillStyle = theme.mark;
    context.fill();
    this.told.textContent = `How sure it is of a ${best} along “${name}”. Shaded: as far as the augmentation goes.`;
  }
}

// ---- its two homes ---------------------------------------------------------------------------------------------------

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** In a notebook: anywidget calls this for every view of the widget. */
function render({ model, el: root }) {
  const content = { network: model.get("network"), weights: bytes(model.get("weights")), digits: bytes(model.get("digits")) };
  let timer = null, told = "";
  const tell = (view) => {
    view.save = () => {
      const key = [view.image.join(), view.epoch, JSON.stringify(view.unit), view.logits?.join()].join(";");
      if (key === told) return;
      told = key;
      model.set("shown", new DataView(Float32Array.from(view.image).buffer));
      model.set("answers", new DataView(Float32Array.from(view.logits ?? []).buffer));
      model.set("unit", { ...view.unit, layer: view.net.layers[view.unit.layer].name });
      model.set("epoch", view.epoch);
      model.save_changes();
    };
    clearTimeout(timer);
    timer = setTimeout(view.save, 120);
  };
  const view = new View(el_(root), content, { changed: tell, start: content.network.labels.length ? 0 : null });
  const epoch = () => view.setEpoch(model.get("epoch"));
  const unit = () => {
    const { layer, ...place } = model.get("unit");
    const i = view.net.layers.findIndex((one) => one.name === layer);
    const { layer: now, ...here } = view.unit;
    if (i >= 0 && JSON.stringify([i, place]) !== JSON.stringify([now, here])) view.setUnit({ layer: i, ...place });
  };
  model.on("change:epoch", epoch);
  model.on("change:unit", unit);
  return () => {
    model.off("change:epoch", epoch);
    model.off("change:unit", unit);
    view.stop();
  };
}

const el_ = (root) => root.appendChild(document.createElement("div"));

/** On a page alone: packed is {network, weights, digits}, the last two zlib-compressed in base64. */
export async function mount(root, packed, options) {
  const open = async (text) => {
    const body = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([body]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const [weights, digits] = await Promise.all([open(packed.weights), open(packed.digits)]);
  return new View(root, { network: packed.network, weights, digits }, options);
}

export default { render };
