// From ink on the pad to the 28 x 28 numbers that the network is shown.

import { SIDE } from "./network.js";

/** Ink (side x side, 0 to 1) as MNIST's makers prepared theirs: cropped, fitted into 20x20 keeping its shape, its centre
 *  of mass in the middle of 28x28. -> Float32Array(784), all 0 where there is no ink. */
export function prepare(ink, side) {
  let top = side, left = side, bottom = -1, right = -1;
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (ink[y * side + x] > 0.05) {
        top = Math.min(top, y), bottom = Math.max(bottom, y), left = Math.min(left, x), right = Math.max(right, x);
      }
  const image = new Float32Array(SIDE * SIDE);
  if (bottom < 0) return image;
  const height = bottom - top + 1, width = right - left + 1;
  const fit = 20 / Math.max(height, width);
  const rows = Math.max(1, Math.round(height * fit)), cols = Math.max(1, Math.round(width * fit));
  const small = shrink(ink, side, top, left, height, width, rows, cols);
  let mass = 0, my = 0, mx = 0;
  small.forEach((v, i) => {
    mass += v, my += v * Math.floor(i / cols), mx += v * (i % cols);
  });
  const inside = (offset, length) => Math.min(Math.max(Math.round(offset), 0), SIDE - length);
  const y0 = inside(13.5 - my / mass, rows), x0 = inside(13.5 - mx / mass, cols);
  small.forEach((v, i) => (image[(y0 + Math.floor(i / cols)) * SIDE + x0 + (i % cols)] = v));
  return image;
}

/** The ink as it was drawn: the whole pad made small. */
export function asDrawn(ink, side) {
  return shrink(ink, side, 0, 0, side, side, SIDE, SIDE);
}

// Each new pixel is the mean of the area it covers: first along columns, then along rows.
function shrink(ink, side, top, left, height, width, rows, cols) {
  const across = shares(width, cols), down = shares(height, rows);
  const narrow = new Float32Array(height * cols);
  for (let y = 0; y < height; y++)
    across.forEach((list, x) => {
      for (const [i, share] of list) narrow[y * cols + x] += share * ink[(top + y) * side + left + i];
    });
  const small = new Float32Array(rows * cols);
  down.forEach((list, y) => {
    for (const [i, share] of list) for (let x = 0; x < cols; x++) small[y * cols + x] += share * narrow[i * cols + x];
  });
  return small;
}

function shares(length, parts) {
  const step = length / parts;
  return Array.from({ length: parts }, (_, part) => {
    const from = part * step, to = from + step, list = [];
    for (let i = Math.floor(from); i < Math.min(length, to); i++) {
      const share = Math.min(i + 1, to) - Math.max(i, from);
      if (share > 0) list.push([i, share / step]);
    }
    return list;
  });
}

/** The image turned clockwise by angle (degrees), scaled about its centre, then moved: as mnist_lib.transforms.affine. */
export function turn(image, { angle = 0, scale = 1, right = 0, down = 0 }) {
  if (!angle && scale === 1 && !right && !down) return image;
  const cos = Math.cos((angle * Math.PI) / 180) / scale, sin = Math.sin((angle * Math.PI) / 180) / scale;
  const out = new Float32Array(SIDE * SIDE), middle = (SIDE - 1) / 2;
  const at = (y, x) => (y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : image[y * SIDE + x]);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const dx = x - middle - right, dy = y - middle - down;
      const sx = cos * dx + sin * dy + middle, sy = -sin * dx + cos * dy + middle;
      const x0 = Math.floor(sx), y0 = Math.floor(sy), fx = sx - x0, fy = sy - y0;
      const upper = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx, lower = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx;
      out[y * SIDE + x] = upper * (1 - fy) + lower * fy;
    }
  return out;
}
