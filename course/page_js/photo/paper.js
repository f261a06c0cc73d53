// The paper without the ink, and which of the two is the lighter.

import { boxMean, largestAround, odd, plane, smallestAround } from "./windows.js";

/** Closing by a square of a third of the picture: the largest value around each pixel, then the smallest of these; for light ink
 *  the other way round. Strokes vanish; light that changes slowly stays. */
export function paperOf(grey, lightInk) {
  const half = (odd(Math.max(grey.height, grey.width) / 3) - 1) / 2;
  return lightInk ? largestAround(smallestAround(grey, half, half), half, half)
    : smallestAround(largestAround(grey, half, half), half, half);
}

/** Is there more that is narrow and lighter than its surroundings, or more that is darker? Each pixel counts by the cube.
 *  above, below: the paper, if ink is dark, and if it is light. */
export function hasLightInk(grey, { values: above }, { values: below }) {
  const level = boxMean(grey, Math.max(grey.height, grey.width) / 2).values;
  let light = 0, dark = 0;
  grey.values.forEach((v, i) => {
    light += Math.min(v - below[i], Math.max(v - level[i], 0)) ** 3;
    dark += Math.min(above[i] - v, Math.max(level[i] - v, 0)) ** 3;
  });
  return light > dark;
}

/** How much a pixel stands out of the paper, as a share of the paper's brightness. */
export function contrastOf(grey, paper) {
  return plane(grey.values.map((v, i) => Math.abs(v - paper.values[i]) / (paper.values[i] + 32)), grey.height, grey.width);
}
