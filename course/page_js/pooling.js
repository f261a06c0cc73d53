// Pooling: the largest number, or the mean, of each window.

export class Pooling {
  constructor({ kind, rows, cols, spans, inputs, shape }, memory, batch) {
    const lanes = Math.ceil(shape[0] / 4) * 4, [, height, width] = inputs;
    Object.assign(this, { largest: kind === "max", lanes, height, width, size: rows.length * cols.length * lanes });
    this.out = memory.floats(batch * this.size);
    this.down = memory.floats(batch * height * width * lanes);
    this.from = this.largest ? new Int32Array(batch * this.size) : null; // where the largest was
    this.windows = rows.flatMap(([top, bottom], r) => cols.map(([left, right], c) => {
      const places = [];
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) places.push((y * width + x) * lanes);
      return { places, count: spans[0][r] * spans[1][c] };
    }));
  }

  learnt = [];

  forward(input, n) {
    const { lanes, windows, out, from, largest, size } = this, all = this.height * this.width * lanes;
    for (let i = 0; i < n; i++)
      windows.forEach(({ places, count }, w) => {
        for (let m = 0; m < lanes; m++) {
          const to = i * size + w * lanes + m;
          let value = largest ? -Infinity : 0, best = i * all + places[0] + m;
          for (let k = 0; k < places.length; k++) {
            const at = i * all + places[k] + m, v = input[at];
            if (!largest) value += v;
            else if (v > value || v !== v) value = v, best = at; // NaN wins, as in torch
          }
          out[to] = largest ? value : value / count;
          if (largest) from[to] = best;
        }
      });
    return out;
  }

  /** The largest: grad goes to the place it came from. The mean: every place gets an equal share. */
  backward(grad, n) {
    const { lanes, windows, down, from, largest, size } = this, all = this.height * this.width * lanes;
    down.fill(0);
    if (largest) for (let i = 0; i < n * size; i++) down[from[i]] += grad[i];
    else
      for (let i = 0; i < n; i++)
        windows.forEach(({ places, count }, w) => {
          for (const place of places)
            for (let m = 0; m < lanes; m++) down[i * all + place + m] += grad[i * size + w * lanes + m] / count;
        });
    return down;
  }
}
