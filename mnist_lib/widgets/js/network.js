// The forward pass of a chain of layers, with skips or without, in float32. Python hands over the layers and their numbers
// (mnist_lib/widgets/export.py).

export const SIDE = 28; // of the images

/** layers: as Python's describe() gives them; numbers: Float32Array, as numbers() gives them. */
export class Network {
  constructor(layers, numbers, mean, std) {
    Object.assign(this, { mean, std, numbers, input: new Float32Array(SIDE * SIDE) });
    this.layers = layers.map((layer) => {
      let at = layer.at;
      const rows = layer.numbers.map((n) => numbers.subarray(at, (at += n)));
      const [weight, bias] = layer.kind === "conv" ? rows.splice(0, 2) : [];
      const steps = layer.steps.map((step) => {
        if (step === "relu") return { kind: "ReLU" };
        if (step[0] === "add") return { kind: "Add", layer: step[1] };
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
   *  off: {layer, map} to set to zero; until: run this many layers only. */
  run(image, { off = null, until = this.layers.length } = {}) {
    for (let i = 0; i < image.length; i++) this.input[i] = (image[i] - this.mean) / this.std;
    for (let i = 0; i < until; i++) {
      const layer = this.layers[i];
      const input = i ? this.layers[i - 1].out : this.input;
      if (layer.kind === "conv") convolve(layer, padded(layer, input));
      else if (layer.kind === "same") layer.out.set(input);
      else pool(layer, input);
      layer.rest.forEach((step) => apply(layer, step, this.layers));
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
      for (let i = 0; i < from; i++) {
        const plane = i * height * width, weights = (o * from + i) * 9;
        threeByThree(out, o * size, rows, cols, input, plane, width, folded, weights, from * 9);
      }
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

function apply(layer, step, layers) {
  const { out } = layer;
  if (step.kind === "Add") {
    const added = layers[step.layer].out;
    for (let i = 0; i < out.length; i++) out[i] += added[i];
    return;
  }
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
