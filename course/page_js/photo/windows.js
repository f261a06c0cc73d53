// A window that slides over a plane {values, height, width}, row by row and then column by column. What of it lies outside the
// plane is left out.

export const plane = (values, height, width) => ({ values, height, width });

/** -> at least 3, and odd, so that the window has a middle. */
export const odd = (length) => Math.max(3, 2 * Math.floor(length / 2) + 1);

export function transposed({ values, height, width }) {
  const out = new values.constructor(values.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[x * height + y] = values[y * width + x];
  return plane(out, width, height);
}

/** The mean of a square around each pixel. */
export function boxMean(grey, side) {
  const half = (odd(side) - 1) / 2;
  return alongBoth(grey, half, half, (line, reach, out) => {
    const sums = new Float64Array(line.length + 1);
    for (let i = 0; i < line.length; i++) sums[i + 1] = sums[i] + line[i];
    for (let i = 0; i < line.length; i++) {
      const from = Math.max(0, i - reach), to = Math.min(line.length, i + reach + 1);
      out[i] = (sums[to] - sums[from]) / (to - from);
    }
  });
}

/** The largest value in a rectangle around each pixel, so many rows and columns to each side. */
export const largestAround = (grey, down, across) => alongBoth(grey, down, across, (...line) => slide(1, ...line));

export const smallestAround = (grey, down, across) => alongBoth(grey, down, across, (...line) => slide(-1, ...line));

// sign: 1 for the largest, -1 for the smallest. What is larger than all after it waits in a queue: its first is the largest of
// the window.
function slide(sign, line, reach, out) {
  const waiting = new Int32Array(line.length), n = line.length;
  let first = 0, last = 0, next = 0;
  for (let i = 0; i < n; i++) {
    for (; next < Math.min(n, i + reach + 1); next++) {
      while (last > first && sign * line[waiting[last - 1]] <= sign * line[next]) last--;
      waiting[last++] = next;
    }
    while (waiting[first] < i - reach) first++;
    out[i] = line[waiting[first]];
  }
}

function alongBoth(grey, down, across, act) {
  return transposed(alongRows(transposed(alongRows(grey, across, act)), down, act));
}

function alongRows({ values, height, width }, reach, act) {
  const out = new values.constructor(values.length);
  for (let y = 0; y < height; y++) {
    const from = y * width, to = from + width;
    act(values.subarray(from, to), reach, out.subarray(from, to));
  }
  return plane(out, height, width);
}
