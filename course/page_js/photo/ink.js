// How much ink there is at each pixel, from 0 to 1.

import { percentile } from "./figures.js";
import { contrastOf } from "./paper.js";
import { boxesOf, lengthOf, numbered } from "./parts.js";
import { withoutLines } from "./ruled.js";
import { largestAround, plane } from "./windows.js";

/** A mask without the parts that are under 6 pixels long, or touch the edge with over 3/4 of their length: shadows, tables. */
function freeParts(mask) {
  const { height, width } = mask, labels = numbered(mask), touching = new Int32Array(labels.count + 1);
  labels.values.forEach((k, i) => {
    const x = i % width, y = (i - x) / width;
    if (!x || !y || x === width - 1 || y === height - 1) touching[k]++;
  });
  const free = [0, ...boxesOf(labels).map((box, k) => +(lengthOf(box) >= 6 && touching[k + 1] <= 0.75 * lengthOf(box)))];
  return plane(Uint8Array.from(labels.values, (k) => free[k]), height, width);
}

/** What stands out of the paper more than its grain does, without ruled lines and shadows at the edge. Full ink is the 90th
 *  percentile of that; what has half of it stays, and its neighbours. */
export function inkOf(grey, paper) {
  const contrast = contrastOf(grey, paper), { height, width } = grey;
  const sorted = contrast.values.slice().sort(), quartile = percentile(sorted, 0.25);
  const threshold = Math.max(0.08, 5 * (quartile - percentile(sorted, 0.05)));
  contrast.values.forEach((v, i, all) => (all[i] = v - quartile));
  const seen = withoutLines(plane(Uint8Array.from(contrast.values, (v) => +(v > threshold)), height, width), contrast);
  const free = freeParts(seen).values, any = free.includes(1), known = contrast.values.filter((_, i) => (any ? free : seen.values)[i]);
  const full = known.length ? percentile(known.sort(), 0.9) : 0;
  if (full < (any ? 1.5 : 3) * threshold) return plane(new Float64Array(height * width), height, width);
  const ink = contrast.values.map((v) => Math.min(Math.max(v / full, 0), 1));
  const dark = Uint8Array.from(ink, (v, i) => +(seen.values[i] && v > 0.5));
  const kept = largestAround(freeParts(plane(dark, height, width)), 1, 1).values;
  return plane(ink.map((v, i) => (seen.values[i] && kept[i] ? v : 0)), height, width);
}
