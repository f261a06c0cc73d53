// A training: batches in random order, each changed a little, one step each.

import { affine, drawAffine } from "./augment.js";
import { oneCycle } from "./onecycle.js";
import { randomFrom, shuffled } from "./random.js";
import { descend } from "./sgd.js";
import { Trainee } from "./trainee.js";

export class Training {
  /** images: Uint8Array, 784 each; settings: {seed, rate, batch, augment, digits, steps}. */
  constructor(network, images, labels, settings) {
    const { batch, seed } = settings;
    Object.assign(this, { images: Float32Array.from(images, (v) => v / 255), labels, settings, step: 0, order: [], at: 0 });
    this.random = randomFrom(seed);
    this.net = new Trainee(network, batch);
    this.net.begin(this.random);
    this.some = new Float32Array(batch * 784);
    this.told = new Uint8Array(batch);
  }

  /** One step -> its loss. */
  advance() {
    const { batch, rate, steps, augment, digits } = this.settings;
    for (let i = 0; i < batch; i++) {
      if (this.at >= this.order.length) this.order = shuffled(digits, this.random), (this.at = 0);
      const from = this.order[this.at++];
      if (augment) affine(this.images, from * 784, this.some, i * 784, drawAffine(this.random));
      else this.some.set(this.images.subarray(from * 784, (from + 1) * 784), i * 784);
      this.told[i] = this.labels[from];
    }
    const { loss } = this.net.slopes(this.some, this.told, batch);
    descend(this.net.learnt, oneCycle(this.step++, steps, rate));
    return loss;
  }
}
