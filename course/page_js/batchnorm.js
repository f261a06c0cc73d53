// BatchNorm that learns: while training, each map is brought to mean 0 and variance 1 over the batch.

const KEEP = 0.9; // of the running figures, at each step; torch calls the rest its momentum

export class BatchNorm {
  constructor(eps, [maps, rows, cols], memory, batch) {
    Object.assign(this, { eps, maps, places: rows * cols, lanes: Math.ceil(maps / 4) * 4 });
    const take = () => memory.floats(maps);
    this.weight = { value: take().fill(1), grad: take(), speed: take() };
    this.bias = { value: take(), grad: take(), speed: take() };
    this.mean = new Float32Array(maps), this.variance = new Float32Array(maps).fill(1); // the running figures
    this.out = memory.floats(batch * this.places * this.lanes);
    this.scale = new Float64Array(maps);
  }

  get learnt() {
    return [this.weight, this.bias];
  }

  /** normal = (x - mean) / √(variance + eps); out = normal × weight + bias. `input` becomes normal, which backward needs. */
  forward(input, n, training) {
    const { maps, lanes, out, weight, bias, scale, eps } = this, count = n * this.places, end = count * lanes;
    const mean = new Float64Array(maps), square = new Float64Array(maps);
    if (training) {
      for (let i = 0; i < end; i += lanes) for (let m = 0; m < maps; m++) mean[m] += input[i + m];
      for (let m = 0; m < maps; m++) mean[m] /= count;
      for (let i = 0; i < end; i += lanes)
        for (let m = 0; m < maps; m++) {
          const away = input[i + m] - mean[m];
          square[m] += away * away;
        }
      for (let m = 0; m < maps; m++) { // the running variance divides by one less: torch's rule
        this.mean[m] = KEEP * this.mean[m] + (1 - KEEP) * mean[m];
        this.variance[m] = KEEP * this.variance[m] + ((1 - KEEP) * square[m]) / (count - 1);
        square[m] /= count;
      }
    } else mean.set(this.mean), square.set(this.variance);
    for (let m = 0; m < maps; m++) scale[m] = 1 / Math.sqrt(square[m] + eps);
    for (let i = 0; i < end; i += lanes)
      for (let m = 0; m < maps; m++) {
        const normal = (input[i + m] - mean[m]) * scale[m];
        input[i + m] = normal;
        out[i + m] = normal * weight.value[m] + bias.value[m];
      }
    this.normal = input;
    return out;
  }

  /** By bias: the sum of grad; by weight: the sum of grad × normal; by x, since mean and variance move with x too:
   *  weight / √(variance + eps) × (grad - mean of grad - normal × mean of grad × normal). Written over grad. */
  backward(grad, n) {
    const { maps, lanes, weight, bias, scale, normal } = this, count = n * this.places, end = count * lanes;
    const sum = new Float64Array(maps), along = new Float64Array(maps);
    for (let i = 0; i < end; i += lanes)
      for (let m = 0; m < maps; m++) {
        const g = grad[i + m];
        sum[m] += g;
        along[m] += g * normal[i + m];
      }
    bias.grad.set(sum);
    weight.grad.set(along);
    for (let m = 0; m < maps; m++) sum[m] /= count, along[m] /= count;
    for (let i = 0; i < end; i += lanes)
      for (let m = 0; m < maps; m++)
        grad[i + m] = weight.value[m] * scale[m] * (grad[i + m] - sum[m] - normal[i + m] * along[m]);
    return grad;
  }

  read([mean, variance, weight, bias]) {
    this.mean.set(mean), this.variance.set(variance);
    this.weight.value.set(weight), this.bias.value.set(bias);
  }

  /** mean, variance, weight, bias, and both of the straight line that they are outside training: scale, shift. */
  write() {
    const { mean, variance, eps } = this, weight = this.weight.value.slice(), bias = this.bias.value.slice();
    const scale = weight.map((w, m) => w / Math.sqrt(variance[m] + eps));
    return [mean.slice(), variance.slice(), weight, bias, scale, bias.map((b, m) => b - mean[m] * scale[m])];
  }
}
