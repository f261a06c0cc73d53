// Ruled lines, that are left out where no ink crosses them.

import { median } from "./figures.js";
import { boxesOf, numbered } from "./parts.js";
import { largestAround, plane, transposed } from "./windows.js";

/** Of each pixel of a mask, how many follow one another in its row. */
function runsAlong({ values, height, width }) {
  const out = new Int32Array(values.length);
  for (let y = 0; y < height; y++)
    for (let x = 0, from = -1; x <= width; x++) {
      const on = x < width && values[y * width + x];
      if (on && from < 0) from = x;
      if (on || from < 0) continue;
      out.fill(x - from, y * width + from, y * width + x);
      from = -1;
    }
  return plane(out, height, width);
}

/** Uint8Array: 1 on horizontal lines. Thin: in a vertical run of at most 1/60 of the picture. Of the thin, horizontal runs of
 *  width / 40 and more, joined where they are near, make a line if they lie in half of all columns. Of a line, what is over 1.5
 *  times as dark as its median, or over 1 + 1.5 times as thick, is ink. */
function linesAlong(seen, contrast) {
  const { height, width } = seen, thick = transposed(runsAlong(transposed(seen))).values;
  const thinnest = Math.max(height, width) / 60, thin = Uint8Array.from(thick, (v) => +(v > 0 && v <= thinnest));
  const least = Math.max(3, width / 40);
  const long = Uint8Array.from(runsAlong(plane(thin, height, width)).values, (v) => +(v >= least));
  const labels = numbered(largestAround(plane(long, height, width), 1, Math.floor(width / 6)));
  const out = new Uint8Array(seen.values.length);
  boxesOf(labels).forEach((box, k) => {
    const columns = new Set(), line = [];
    for (let y = box[0]; y <= box[2]; y++)
      for (let i = y * width + box[1]; i <= y * width + box[3]; i++) {
        if (labels.values[i] !== k + 1) continue;
        if (long[i]) columns.add(i % width);
        if (thin[i]) line.push(i);
      }
    if (columns.size < width / 2) return;
    const dark = 1.5 * median(line.map((i) => contrast.values[i])), wide = 1.5 * median(line.map((i) => thick[i])) + 1;
    for (const i of line) out[i] = +(contrast.values[i] <= dark && thick[i] <= wide);
  });
  return plane(out, height, width);
}

/** The mask without ruled lines, horizontal or vertical, if a little slanted. */
export function withoutLines(seen, contrast) {
  const lying = linesAlong(seen, contrast).values;
  const standing = transposed(linesAlong(transposed(seen), transposed(contrast))).values;
  return plane(seen.values.map((v, i) => +(v && !lying[i] && !standing[i])), seen.height, seen.width);
}
