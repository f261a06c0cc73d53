// A digit's ink as MNIST's makers prepared theirs: fitted into 20 x 20, then centred in 28 x 28 by its mass.

import { rounded } from "./figures.js";

const FIT = 20, IMAGE = 28, CENTRE = 14; // pixels; there MNIST's centres of mass lie

/** values (height x width) -> (high x wide): each pixel is the mean of the area that it covers. */
export function areaMean(values, height, width, high, wide) {
  const across = overlaps(width, wide), narrow = new Float64Array(height * wide), out = new Float64Array(high * wide);
  for (let y = 0; y < height; y++)
    across.forEach((list, x) => list.forEach(([i, share]) => (narrow[y * wide + x] += share * values[y * width + i])));
  overlaps(height, high).forEach((list, y) => list.forEach(([i, share]) => {
    for (let x = 0; x < wide; x++) out[y * wide + x] += share * narrow[i * wide + x];
  }));
  return out;
}

function overlaps(old, now) {
  return Array.from({ length: now }, (_, i) => {
    const from = (i * old) / now, to = ((i + 1) * old) / now, list = [];
    for (let k = Math.floor(from); k < Math.min(old, to); k++)
      list.push([k, (Math.max(0, Math.min(to, k + 1) - Math.max(from, k)) * now) / old]);
    return list;
  });
}

/** Ink in a digit's box -> fitted: {values, height, width}, the longer side 20 pixels, the darkest 1; image: Uint8Array(784). */
export function fitted(ink, height, width) {
  const [high, wide] = [height, width].map((side) => Math.max(1, rounded((FIT * side) / Math.max(height, width))));
  const small = areaMean(ink, height, width, high, wide), top = small.reduce((a, b) => Math.max(a, b), 0);
  let mass = 0, down = 0, across = 0;
  small.forEach((v, i) => {
    small[i] = v /= top;
    mass += v, down += v * Math.floor(i / wide), across += v * (i % wide);
  });
  const first = (sum, side) => Math.min(Math.max(rounded(CENTRE - sum / mass), 0), IMAGE - side);
  const y0 = first(down, high), x0 = first(across, wide), image = new Uint8Array(IMAGE * IMAGE);
  small.forEach((v, i) => (image[(y0 + Math.floor(i / wide)) * IMAGE + x0 + (i % wide)] = rounded(255 * v)));
  return { fit: { values: small, height: high, width: wide }, image };
}
