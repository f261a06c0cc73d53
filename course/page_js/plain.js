// c += a × b on a small tile, in JavaScript: what simd.js does, for reading, and for browsers that lack WebAssembly's vectors.

/** {"rows,vectors": function}; its arguments as in simd.js. */
export function plainTiles({ all }, shapes) {
  return Object.fromEntries(shapes.map(([rows, vectors]) => [
    [rows, vectors].join(),
    (a, aRow, aIn, aOut, b, bIn, bOut, c, cRow, inner, outer) => {
      for (let r = 0; r < rows; r++)
        for (let column = 0; column < 4 * vectors; column++) {
          let sum = 0;
          for (let o = 0; o < outer; o++) {
            let from = (a + r * aRow + o * aOut) >> 2, with_ = ((b + o * bOut) >> 2) + column;
            for (let i = 0; i < inner; i++, from += aIn >> 2, with_ += bIn >> 2) sum += all[from] * all[with_];
          }
          all[((c + r * cRow) >> 2) + column] += sum;
        }
    },
  ]));
}
