// ReLU: what is below zero becomes zero. In place.

export class ReLU {
  constructor([, rows, cols], lanes) {
    this.size = rows * cols * lanes;
  }

  learnt = [];

  forward(input, n) {
    for (let i = 0; i < n * this.size; i++) if (input[i] < 0) input[i] = 0; // NaN stays
    return (this.out = input);
  }

  /** grad goes through where the number was above zero; elsewhere nothing changes the loss. */
  backward(grad, n) {
    const { out } = this;
    for (let i = 0; i < n * this.size; i++) if (out[i] <= 0) grad[i] = 0;
    return grad;
  }
}
