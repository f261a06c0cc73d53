// What hangs together in a mask: its parts, numbered, and the boxes around them.

/** mask: plane of 0 and 1 -> plane of 0 where nothing is, and 1, 2, ... in the parts; a pixel has eight neighbours. */
export function numbered({ values, height, width }) {
  const out = new Int32Array(values.length), stack = [];
  let count = 0;
  for (let start = 0; start < values.length; start++) {
    if (!values[start] || out[start]) continue;
    out[start] = ++count;
    stack.push(start);
    while (stack.length) {
      const at = stack.pop(), y = Math.floor(at / width), x = at - y * width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++)
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (values[next] && !out[next]) out[next] = count, stack.push(next);
        }
    }
  }
  return { values: out, height, width, count };
}

/** The box around each part, [top, left, bottom, right], inclusive; null where a number has no pixel. */
export function boxesOf({ values, width, count }) {
  const boxes = Array.from({ length: count }, () => null);
  for (let i = 0; i < values.length; i++) {
    if (!values[i]) continue;
    const y = Math.floor(i / width), x = i - y * width, box = (boxes[values[i] - 1] ??= [y, x, y, x]);
    if (x < box[1]) box[1] = x;
    if (x > box[3]) box[3] = x;
    box[2] = y;
  }
  return boxes;
}

export const highOf = (box) => box[2] - box[0] + 1;
export const wideOf = (box) => box[3] - box[1] + 1;
export const lengthOf = (box) => Math.max(highOf(box), wideOf(box));

/** Rows and columns between two boxes; negative: how many they share. */
export const gapsOf = (box, other) => [0, 1].map((i) => Math.max(box[i], other[i]) - Math.min(box[i + 2], other[i + 2]) - 1);
