// c += a × b for matrices that lie anywhere in memory, tile by tile.

import { plainTiles } from "./plain.js";
import { fastTiles } from "./simd.js";

const SHAPES = [4, 2, 1].flatMap((rows) => [2, 1].map((vectors) => [rows, vectors]));

/** fast: with WebAssembly's vectors, where the browser has them. -> multiply(a, b, c, rows, columns, inner, outer), which sums over
 *  outer groups of inner factors. a, b, c: {at, row, step, group}, counted in floats; columns is a multiple of four. */
export function multiplier(memory, fast = true) {
  const tiles = (fast && fastTiles(memory, SHAPES)) || plainTiles(memory, SHAPES);
  const kinds = [4, 2, 1].map((rows) => [rows, tiles[`${rows},2`], tiles[`${rows},1`]]);
  return (a, b, c, rows, columns, inner, outer = 1) => {
    const aRow = 4 * a.row, aStep = 4 * a.step, aGroup = 4 * (a.group ?? 0), bStep = 4 * b.step, bGroup = 4 * (b.group ?? 0);
    let r = 0;
    for (const [high, wide, narrow] of kinds)
      for (; r + high <= rows; r += high) {
        const aAt = 4 * a.at + r * aRow, cAt = 4 * (c.at + r * c.row);
        let k = 0;
        for (; k + 8 <= columns; k += 8)
          wide(aAt, aRow, aStep, aGroup, 4 * (b.at + k), bStep, bGroup, cAt + 4 * k, 4 * c.row, inner, outer);
        if (k < columns)
          narrow(aAt, aRow, aStep, aGroup, 4 * (b.at + k), bStep, bGroup, cAt + 4 * k, 4 * c.row, inner, outer);
      }
  };
}
