// Every image a little turned, moved, made larger or smaller, and slanted: mnist_lib.transforms.affine, with its ranges.

const EDGE = 28, DEGREES = 20, SHIFT = 0.1 * EDGE, SCALE = 0.1, SHEAR = 5;

export function drawAffine(random) {
  const spread = (range) => (2 * random() - 1) * range;
  return {
    angle: spread(DEGREES), right: Math.round(spread(SHIFT)), down: Math.round(spread(SHIFT)),
    scale: 1 + spread(SCALE), shear: spread(SHEAR),
  };
}

/** image: 784 numbers from `from` on -> 784 in out from `to` on, each mixed from the four that lie around where it comes from. */
export function affine(image, from, out, to, { angle, right, down, scale, shear }) {
  const turn = (angle * Math.PI) / 180, tan = Math.tan((shear * Math.PI) / 180);
  const cos = Math.cos(turn), sin = Math.sin(turn), middle = (EDGE - 1) / 2;
  const xx = (cos - sin * tan) / scale, xy = (sin + cos * tan) / scale, yx = -sin / scale, yy = cos / scale;
  const at = (y, x) => (y < 0 || x < 0 || y >= EDGE || x >= EDGE ? 0 : image[from + y * EDGE + x]);
  for (let row = 0; row < EDGE; row++)
    for (let col = 0; col < EDGE; col++) {
      const dx = col - middle - right, dy = row - middle - down;
      const x = xx * dx + xy * dy + middle, y = yx * dx + yy * dy + middle;
      const left = Math.floor(x), top = Math.floor(y), fx = x - left, fy = y - top;
      const upper = at(top, left) * (1 - fx) + at(top, left + 1) * fx;
      const lower = at(top + 1, left) * (1 - fx) + at(top + 1, left + 1) * fx;
      out[to++] = upper * (1 - fy) + lower * fy;
    }
}
