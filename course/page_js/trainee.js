// A network that learns: a chain of layers, each of which knows its way forward and back.

import { BatchNorm } from "./batchnorm.js";
import { Convolution } from "./convolution.js";
import { crossEntropy } from "./loss.js";
import { lanes, Memory } from "./memory.js";
import { multiplier } from "./multiply.js";
import { Pooling } from "./pooling.js";
import { ReLU } from "./relu.js";

export class Trainee {
  /** batch: how many images it can take at once. */
  constructor({ layers, mean, std }, batch, fast = true) {
    const places = ([maps, rows, cols]) => rows * cols * lanes(maps);
    const room = layers.reduce((sum, { shape, inputs }) => sum + 6 * places(shape) + 4 * places(inputs) + 6400, 0);
    this.memory = new Memory(room * batch + 400_000);
    const multiply = multiplier(this.memory, fast);
    Object.assign(this, { mean, std, batch, classes: layers.at(-1).shape[0] });
    this.images = this.memory.floats(batch * places(layers[0].inputs));
    this.blocks = layers.map((layer, i) => {
      const main = layer.kind === "conv" ? new Convolution(layer, this.memory, multiply, batch, i === 0)
        : new Pooling(layer, this.memory, batch);
      const steps = layer.steps.map((step) => step === "relu" ? new ReLU(layer.shape, lanes(layer.shape[0]))
        : new BatchNorm(step, layer.shape, this.memory, batch));
      return { layer, parts: [main, ...steps] };
    });
    this.chain = this.blocks.flatMap(({ parts }) => parts);
    this.learnt = this.chain.flatMap((part) => part.learnt);
    this.grad = this.memory.floats(batch * lanes(this.classes));
  }

  /** images: n × 784 from 0 to 1 -> the answers, which live until the next call. training: BatchNorm takes the batch's figures. */
  forward(images, n, training) {
    let x = this.images;
    for (let i = 0; i < n * 784; i++) x[i] = (images[i] - this.mean) / this.std;
    for (const part of this.chain) x = part.forward(x, n, training);
    return x;
  }

  /** One batch forward, and its gradients back through every layer, the last one first. -> {loss, right} */
  slopes(images, labels, n) {
    const told = this.judge(images, labels, n, true);
    let grad = this.grad;
    for (const part of this.chain.toReversed()) grad = part.backward(grad, n);
    return told;
  }

  judge(images, labels, n, training = false) {
    return crossEntropy(this.forward(images, n, training), labels, n, this.classes, lanes(this.classes), this.grad);
  }

  /** First weights as torch draws them: uniform, up to 1 / √(numbers that go into a sum). */
  begin(random) {
    for (const part of this.chain) {
      if (part instanceof BatchNorm)
        part.read([0, 1, 1, 0].map((v) => new Float32Array(part.maps).fill(v)));
      if (!(part instanceof Convolution)) continue;
      const most = 1 / Math.sqrt(part.from * part.side ** 2), draw = () => (2 * random() - 1) * most;
      part.read(Float32Array.from({ length: part.maps * part.from * part.side ** 2 }, draw), Float32Array.from({ length: part.maps }, draw));
    }
    for (const { speed } of this.learnt) speed.fill(0);
  }

  /** All numbers in a row, in export.py's order. */
  read(numbers) {
    for (const { layer, parts } of this.blocks) {
      let at = layer.at;
      const rows = layer.numbers.map((n) => numbers.subarray(at, (at += n)));
      for (const part of parts) {
        if (part instanceof Convolution) part.read(...rows.splice(0, 2));
        if (part instanceof BatchNorm) part.read(rows.splice(0, 6));
      }
    }
  }

  write() {
    const rows = this.chain.flatMap((part) => part.write?.() ?? []);
    const numbers = new Float32Array(rows.reduce((n, row) => n + row.length, 0));
    let at = 0;
    for (const row of rows) numbers.set(row, at), (at += row.length);
    return numbers;
  }
}
