// Which parts of the ink are one digit, and in which order one reads them.

import { rounded } from "./figures.js";
import { boxesOf, gapsOf, highOf, lengthOf, numbered, wideOf } from "./parts.js";
import { largestAround, plane } from "./windows.js";
import { Refused } from "./refused.js";

const MOST_PARTS = 200; // what has more is a page of text

/** The parts of ink, numbered: their pixels touch, or are at most half a stroke apart. */
export function partsOf(ink) {
  const { height, width } = ink, mask = Uint8Array.from(ink.values, (v) => +(v > 0.5));
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : mask[y * width + x]);
  let edges = 0, area = 0;
  for (let y = 0; y <= height; y++)
    for (let x = 0; x <= width; x++) {
      area += at(y, x);
      edges += (at(y, x) !== at(y - 1, x)) + (at(y, x) !== at(y, x - 1));
    }
  const reach = Math.max(1, rounded((0.5 * area) / Math.max(1, edges)));
  const labels = numbered(largestAround(plane(mask, height, width), reach, reach));
  labels.values.forEach((_, i, all) => ink.values[i] > 0 || (all[i] = 0));
  return labels;
}

/** The digits: [{box, members: the numbers of their parts}]. `tall` is the height below which parts hold half of all ink. Specks
 *  are left out; from the lowest part up, each joins the nearest that it belongs to. */
export function joined(labels) {
  const boxes = boxesOf(labels);
  if (!boxes.length) return [];
  const areas = new Int32Array(labels.count);
  for (const k of labels.values) if (k) areas[k - 1]++;
  const order = boxes.map((_, i) => i).sort((a, b) => highOf(boxes[a]) - highOf(boxes[b]));
  const half = areas.reduce((a, b) => a + b) / 2;
  let below = 0;
  const tall = highOf(boxes[order.find((i) => (below += areas[i]) >= half)]);
  let parts = boxes.map((box, i) => ({ box, members: [i + 1] })).filter(({ box }) => lengthOf(box) >= Math.max(6, 0.15 * tall));
  if (parts.length > MOST_PARTS)
    throw new Refused(`The picture shows ${parts.length} separate things, as a page of text does: crop it to a few digits.`);
  for (let pair; (pair = nextPair(parts, tall)); ) {
    const [one, other] = pair, box = [0, 1, 2, 3].map((i) => (i < 2 ? Math.min : Math.max)(one.box[i], other.box[i]));
    parts = [...parts.filter((part) => !pair.includes(part)), { box, members: [...one.members, ...other.members] }];
  }
  return parts.filter(({ box }) => highOf(box) >= 0.4 * tall);
}

// The lowest part that belongs to another, and the nearest such.
function nextPair(parts, tall) {
  for (const part of parts.toSorted((a, b) => highOf(a.box) - highOf(b.box))) {
    const far = ({ box }) => Math.max(...gapsOf(part.box, box));
    const others = parts.filter((other) => other !== part && belongs(part.box, other.box, tall));
    if (others.length) return [part, others.reduce((near, other) => (far(other) < far(near) ? other : near))];
  }
  return null;
}

function belongs(box, other, tall) {
  const [down, across] = gapsOf(box, other), gap = Math.max(down, across), [high, narrow] = [highOf(box), Math.min(wideOf(box), wideOf(other))];
  const smaller = Math.min(...[box, other].map((one) => highOf(one) * wideOf(one)));
  return (gap < 0 && down * across > 0.5 * smaller) || (high < 0.5 * tall && gap <= 0.2 * tall)
    || (high < 0.8 * tall && gap <= 0.05 * tall) || (-across >= 0.5 * narrow && down <= 0.1 * tall);
}

/** Line by line. From the left, each joins the line whose last digit shares most rows with it, if half of the lower's. */
export function inOrder(parts) {
  const lines = [];
  for (const part of parts.toSorted((a, b) => a.box[1] - b.box[1])) {
    const shared = lines.map((line) => {
      const { box } = line.at(-1);
      return -gapsOf(part.box, box)[0] / Math.min(highOf(part.box), highOf(box));
    });
    const most = Math.max(...shared);
    if (most >= 0.5) lines[shared.indexOf(most)].push(part);
    else lines.push([part]);
  }
  const middle = (line) => line.reduce((sum, { box }) => sum + box[0] + box[2], 0) / line.length;
  return lines.sort((a, b) => middle(a) - middle(b)).flat();
}
