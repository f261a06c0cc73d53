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
  const from = layer.inputs[0] / groups;
  const three = kh === 3 && kw === 3 && sy === 1 && sx === 1 && dy === 1 && dx === 1;
  for (let o = 0; o < maps; o++) {
    const first = o * rows * cols;
    out.fill(foldedBias[o], first, first + rows * cols);
    const group = Math.floor(o / (maps / groups)) * from;
    for (let i = 0; i < from; i++) {
      const plane = (group + i) * height * width;
      let w = (o * from + i) * kh * kw;
      if (three) {
        three_by_three(out, first, rows, cols, input, plane, width, folded, w);
        continue;
      }
      for (let ky = 0; ky < kh; ky++)
        for (let kx = 0; kx < kw; kx++) {
          const weight = folded[w++];
          for (let y = 0; y < rows; y++) {
            const to = first + y * cols;
            const at = plane + (y * sy + ky * dy) * width + kx * dx;
            for (let x = 0; x < cols; x++) out[to + x] += weight * input[at + x * sx];
          }
        }
    }
  }
}

// The same for the kernel that most networks have, each number read once a line.
function three_by_three(out, first, rows, cols, input, plane, width, weights, w) {
  const w0 = weights[w], w1 = weights[w + 1], w2 = weights[w + 2];
  const w3 = weights[w + 3], w4 = weights[w + 4], w5 = weights[w + 5];
  const w6 = weights[w + 6], w7 = weights[w + 7], w8 = weights[w + 8];
  for (let y = 0; y < rows; y++) {
    const to = first + y * cols;
    const a = plane + y * width, b = a + width, c = b + width;
    let a0 = input[a], a1 = input[a + 1], b0 = input[b], b1 = input[b + 1], c0 = input[c], c1 = input[c + 1];
    for (let x = 0; x < cols; x++) {
      const a2 = input[a + x + 2], b2 = input[b + x + 2], c2 = input[c + x + 2];
      out[to + x] += w0 * a0 + w1 * a1 + w2 * a2 + w3 * b0 + w4 * b1 + w5 * b2 + w6 * c0 + w7 * c1 + w8 * c2;
      a0 = a1; a1 = a2; b0 = b1; b1 = b2; c0 = c1; c1 = c2;
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
