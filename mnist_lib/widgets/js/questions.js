// What can be asked of a network that has just run: where a number comes from, what depends on what, and which places
// an answer is made of.

import { SIDE } from "./network.js";

/** Where a unit's number comes from: rows [{map, patch, kernel, sum, width}], their total, what each step makes of it. */
export function takeApart(network, unit) {
  const layer = network.layers[unit.layer];
  const input = unit.layer ? network.layers[unit.layer - 1].out : network.input;
  const [, height, width] = layer.inputs;
  const value = (map, y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : input[(map * height + y) * width + x]);
  const sums = layer.kind === "conv" ? ofConvolution : layer.kind === "same" ? ofNothing : ofPooling;
  const { rows, bias, total } = sums(layer, unit, value);
  let result = total;
  const steps = layer.steps.map((step) => {
    const before = result;
    if (step.kind === "ReLU") {
      result = Math.max(before, 0);
      return { kind: step.kind, before, after: result };
    }
    if (step.kind === "Add") {
      const { name, out, shape } = network.layers[step.layer], added = out[(unit.map * shape[1] + unit.row) * shape[2] + unit.col];
      result = before + added;
      return { kind: step.kind, before, after: result, name, added };
    }
    const [mean, variance, weight, bias] = [step.mean, step.variance, step.weight, step.bias].map((row) => row[unit.map]);
    result = ((before - mean) / Math.sqrt(variance + step.eps)) * weight + bias;
    return { kind: step.kind, before, after: result, mean, variance, weight, bias };
  });
  return { kind: layer.kind, rows, bias, total, steps, result };
}

function ofConvolution({ inputs, shape, kernel: [kh, kw], stride, dilation, pad, groups, weight, bias }, unit, value) {
  const from = inputs[0] / groups;
  const first = Math.floor(unit.map / (shape[0] / groups)) * from;
  const rows = Array.from({ length: from }, (_, i) => {
    const at = (unit.map * from + i) * kh * kw;
    const kernel = Array.from(weight.subarray(at, at + kh * kw));
    const patch = kernel.map((_, k) =>
      value(
        first + i,
        unit.row * stride[0] + Math.floor(k / kw) * dilation[0] - pad[0],
        unit.col * stride[1] + (k % kw) * dilation[1] - pad[1]
      )
    );
    return { map: first + i, patch, kernel, sum: patch.reduce((sum, v, k) => sum + v * kernel[k], 0), width: kw };
  });
  return { rows, bias: bias[unit.map], total: rows.reduce((total, row) => total + row.sum, bias[unit.map]) };
}

function ofPooling({ kind, rows, cols, spans }, unit, value) {
  const [top, bottom] = rows[unit.row], [left, right] = cols[unit.col];
  const patch = [];
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) patch.push(value(unit.map, y, x));
  const mean = patch.reduce((a, b) => a + b, 0) / (spans[0][unit.row] * spans[1][unit.col]);
  const total = kind === "max" ? Math.max(...patch) : mean;
  return { rows: [{ map: unit.map, patch, kernel: null, sum: total, width: right - left }], bias: null, total };
}

function ofNothing(_layer, unit, value) {
  const total = value(unit.map, unit.row, unit.col);
  return { rows: [{ map: unit.map, patch: [total], kernel: null, sum: total, width: 1 }], bias: null, total };
}

/** Of a network that ends in one mean over each map and one layer of weights: how much each place adds to an answer.
 *  off: the map that is off, {layer, map}. -> {places: Float64Array(rows * columns), bias}, or null for other networks. */
export function evidence(network, answer, off = null) {
  const [maps, mean, last] = network.layers.slice(-3);
  const fits = last && mean.kind === "mean" && !mean.steps.length && mean.out.length === mean.shape[0] && !last.steps.length;
  if (!fits || last.kind !== "conv" || last.groups > 1) return null;
  const size = maps.shape[1] * maps.shape[2];
  const places = new Float64Array(size);
  const share = 1 / (mean.spans[0][0] * mean.spans[1][0]);
  for (let m = 0; m < maps.shape[0]; m++) {
    if (off?.map === m && network.layers[off.layer] === mean) continue; // its mean counts nothing
    const weight = last.weight[answer * maps.shape[0] + m] * share;
    for (let i = 0; i < size; i++) places[i] += weight * maps.out[m * size + i];
  }
  return { places, bias: last.bias[answer] };
}

/** Makes one pixel of the image NaN: every unit of `twin` that depends on it becomes NaN too. */
export function poison(twin, image, { row, col }, off = null) {
  const bad = Float32Array.from(image);
  bad[row * SIDE + col] = NaN;
  twin.run(bad, { off });
}

/** The reverse: which pixels make this unit NaN? Whole rows, then whole columns; where both kill, the pixel does.
 *  -> Uint8Array(784). */
export function killers(twin, unit) {
  const [, height, width] = twin.layers[unit.layer].shape;
  const place = (unit.map * height + unit.row) * width + unit.col;
  const dies = (mark) => {
    const image = new Float32Array(SIDE * SIDE);
    for (let i = 0; i < SIDE; i++) image[mark(i)] = NaN;
    return Number.isNaN(twin.run(image, { until: unit.layer + 1 })[unit.layer][place]);
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

export const best = (values) => values.indexOf(Math.max(...values));
