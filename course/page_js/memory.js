// One stretch of memory that JavaScript and WebAssembly both see. Maps lie in it channels-last: all channels of a place side by
// side, their number rounded up to four, so that four are reached at once. What is added by rounding up is 0 and stays 0.

const KERNEL_PAGE = 65536; // bytes; WebAssembly counts memory in these

export const lanes = (channels) => (channels === 1 ? 1 : Math.ceil(channels / 4) * 4);

export class Memory {
  constructor(floats) {
    this.wasm = new WebAssembly.Memory({ initial: Math.ceil((4 * floats) / KERNEL_PAGE) + 1 });
    this.all = new Float32Array(this.wasm.buffer);
    this.used = 0;
  }

  /** So many zeros, beginning at a multiple of 16 bytes. */
  floats(n) {
    const start = this.used;
    this.used = Math.ceil((start + n) / 4) * 4;
    if (this.used > this.all.length) throw new RangeError("The network needs more memory than it was given.");
    return this.all.subarray(start, start + n);
  }
}
