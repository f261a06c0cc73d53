// The digits in a picture of handwriting: mnist_lib/data/pictures.py, step by step, with its figures.

import { fitted } from "./fitting.js";
import { inkOf } from "./ink.js";
import { inOrder, joined, partsOf } from "./joining.js";
import { hasLightInk, paperOf } from "./paper.js";
import { boxesOf } from "./parts.js";
import { boxMean, plane } from "./windows.js";
import { Refused } from "./refused.js";

const SMOOTHED = 100; // pixels: what is as large is smoothed first, against noise

/** values: Float64Array, 0 black to 255 white -> {grey, lightInk, ink, digits: [{box, crop, fit, image}]}. A box is [top, left,
 *  bottom, right] in this picture, inclusive; crop and fit are planes of ink from 0 to 1; image: Uint8Array(784).
 *  The message of a Refused is one sentence that says what to do. */
export function readPicture(values, height, width) {
  const given = plane(values, height, width), grey = Math.min(height, width) >= SMOOTHED ? boxMean(given, 3) : given;
  const papers = [false, true].map((light) => paperOf(grey, light)), lightInk = hasLightInk(grey, ...papers);
  const ink = inkOf(grey, papers[+lightInk]), labels = partsOf(ink);
  const digits = inOrder(joined(labels)).map(({ box, members }) => digitOf(ink, labels, box, new Set(members)));
  if (!digits.length)
    throw new Refused("No digit was found in the picture: write larger or darker, with plain paper around it.");
  return { grey, lightInk, ink, digits };
}

// The ink of its own parts alone, cropped to it.
function digitOf(ink, labels, [t, l, b, r], members) {
  const mine = plane(new Uint8Array(ink.values.length), ink.height, ink.width);
  for (let y = t; y <= b; y++)
    for (let i = y * ink.width + l; i <= y * ink.width + r; i++) mine.values[i] = +(members.has(labels.values[i]) && ink.values[i] > 0);
  const [box] = boxesOf({ ...mine, count: 1 }), [top, left, bottom, right] = box, height = bottom - top + 1, width = right - left + 1;
  const crop = new Float64Array(height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const i = (top + y) * ink.width + left + x;
      if (mine.values[i]) crop[y * width + x] = ink.values[i];
    }
  return { box, crop: plane(crop, height, width), ...fitted(crop, height, width) };
}
