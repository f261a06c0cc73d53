// A convolution that learns: stride 1, no dilation, no groups.

import { lanes } from "./memory.js";

const place = (array) => array.byteOffset / 4;

export class Convolution {
  /** layer: as export.py describes it; batch: how many images at most; first: it needs no gradient of its input. */
  constructor({ inputs, shape, kernel: [side], pad: [pad] }, memory, multiply, batch, first) {
    const [from, height, width] = inputs, [maps, rows, cols] = shape;
    Object.assign(this, { from, height, width, maps, rows, cols, side, pad, multiply, first });
    Object.assign(this, { fromLanes: lanes(from), lanes: Math.ceil(maps / 4) * 4 });
    const take = (n) => memory.floats(n), weights = side * side * this.fromLanes * this.lanes;
    this.weight = { value: take(weights), grad: take(weights), speed: take(weights) }; // row, column, map below; maps side by side
    this.bias = { value: take(this.lanes), grad: take(this.lanes), speed: take(this.lanes) };
    this.out = take(batch * rows * cols * this.lanes);
    this.framed = pad ? take(batch * (height + 2 * pad) * (width + 2 * pad) * this.fromLanes) : null;
    if (first) return;
    this.edge = side - 1 - pad;
    this.flipped = take(weights);
    this.back = this.edge ? take(batch * (rows + 2 * this.edge) * (cols + 2 * this.edge) * this.lanes) : null;
    this.down = take(batch * height * width * this.fromLanes);
  }

  get learnt() {
    return [this.weight, this.bias];
  }

  /** out[y, x] = bias + sum over ky, kx of input[y + ky, x + kx] × weight[ky, kx] */
  forward(input, n) {
    const { rows, cols, lanes: to, bias, out } = this;
    this.input = this.framed ? frame(input, this.framed, n, this.height, this.width, this.fromLanes, this.pad) : input;
    for (let i = 0; i < n * rows * cols * to; i += to) for (let o = 0; o < to; o++) out[i + o] = bias.value[o];
    this.slide(this.input, this.fromLanes, this.weight.value, out, to, n, rows, cols);
    return out;
  }

  // A line of outputs is one product of matrices: neighbours share their inputs, so nothing needs to be copied.
  slide(input, from, weight, out, to, n, rows, cols) {
    const { side, multiply } = this, width = cols + side - 1, height = rows + side - 1;
    const [inputAt, weightAt, outAt] = [input, weight, out].map(place);
    if (side === 1) {
      multiply({ at: inputAt, row: from, step: 1 }, { at: weightAt, step: to }, { at: outAt, row: to }, n * rows * cols, to, from);
      return;
    }
    for (let i = 0; i < n; i++)
      for (let y = 0; y < rows; y++)
        multiply({ at: inputAt + (i * height + y) * width * from, row: from, step: 1, group: width * from },
          { at: weightAt, step: to, group: side * from * to }, { at: outAt + (i * rows + y) * cols * to, row: to },
          cols, to, side * from, side);
  }

  /** grad: of the loss by out. Its rules:
   *  by bias: the sum of grad over all places;
   *  by weight[ky, kx]: the sum over all places of input[y + ky, x + kx] × grad[y, x];
   *  by input: grad, in a frame of zeros, convolved with the kernel turned by 180°. -> that, or null for the first layer */
  backward(grad, n) {
    const { rows, cols, side, fromLanes: from, lanes: to, weight, bias, input, multiply } = this;
    const sums = new Float64Array(to);
    for (let i = 0; i < n * rows * cols * to; i += to) for (let o = 0; o < to; o++) sums[o] += grad[i + o];
    bias.grad.set(sums);
    weight.grad.fill(0);
    const width = cols + side - 1, height = rows + side - 1, lines = side === 1 ? 1 : rows;
    for (let i = 0; i < (side === 1 ? 1 : n); i++)
      for (let ky = 0; ky < side; ky++)
        multiply({ at: place(input) + (i * height + ky) * width * from, row: 1, step: from, group: width * from },
          { at: place(grad) + i * rows * cols * to, step: to, group: cols * to },
          { at: place(weight.grad) + ky * side * from * to, row: to },
          side * from, to, side === 1 ? n * rows * cols : cols, lines);
    if (this.first) return null;
    this.turn();
    const framed = this.back ? frame(grad, this.back, n, rows, cols, to, this.edge) : grad;
    this.down.fill(0);
    this.slide(framed, to, this.flipped, this.down, from, n, this.height, this.width);
    return this.down;
  }

  // flipped[ky, kx, o, c] = weight[last - ky, last - kx, c, o]
  turn() {
    const { side, fromLanes: from, lanes: to, weight: { value }, flipped } = this;
    for (let k = 0; k < side * side; k++)
      for (let c = 0; c < from; c++)
        for (let o = 0; o < to; o++) flipped[(k * to + o) * from + c] = value[((side * side - 1 - k) * from + c) * to + o];
  }

  /** Its weights in torch's order (maps, maps below, row, column) <-> ours. key: "value" or "grad". */
  read(numbers, bias) {
    this.weight.value.fill(0);
    this.each((ours, torch) => (this.weight.value[ours] = numbers[torch]));
    this.bias.value.fill(0);
    this.bias.value.set(bias);
  }

  write(key = "value") {
    const numbers = new Float32Array(this.maps * this.from * this.side ** 2);
    this.each((ours, torch) => (numbers[torch] = this.weight[key][ours]));
    return [numbers, this.bias[key].slice(0, this.maps)];
  }

  each(act) {
    const { maps, from, side, fromLanes, lanes: to } = this, area = side * side;
    for (let o = 0; o < maps; o++)
      for (let c = 0; c < from; c++)
        for (let k = 0; k < area; k++) act((k * fromLanes + c) * to + o, (o * from + c) * area + k);
  }
}

// Maps in a frame of zeros; the frame was zero from the start and is never written.
function frame(maps, framed, n, rows, cols, lanes, edge) {
  const width = cols + 2 * edge, height = rows + 2 * edge, line = cols * lanes;
  for (let i = 0; i < n; i++)
    for (let y = 0; y < rows; y++) {
      let to = ((i * height + y + edge) * width + edge) * lanes, from = (i * rows + y) * line;
      for (const end = from + line; from < end; ) framed[to++] = maps[from++];
    }
  return framed;
}
