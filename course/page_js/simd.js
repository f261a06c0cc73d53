// The innermost loop of all learning, c += a × b on a small tile, written as WebAssembly byte by byte: it multiplies four numbers
// at a time. Needs no compiler and no file; plain.js says the same in JavaScript.

const I32 = 0x7f, V128 = 0x7b, FLOATS = 0xfd; // FLOATS: the prefix of every instruction on four numbers
const GET = 0x20, SET = 0x21, CONST = 0x41, ADD = 0x6a, SUB = 0x6b, MUL = 0x6c, LOOP = 0x03, VOID = 0x40, AGAIN_IF = 0x0d, END = 0x0b;
const LOAD = [FLOATS, 0x00, 4], SPREAD = [FLOATS, 0x09, 2], STORE = [FLOATS, 0x0b, 4], PLUS = [FLOATS, 0xe4, 0x01], TIMES = [FLOATS, 0xe6, 0x01];

const size = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...size(n >> 7)]); // an unsigned number, seven bits a byte
const listed = (items) => [...size(items.length), ...items.flat()];
const section = (id, body) => [id, ...size(body.length), ...body];
const text = (word) => [word.length, ...[...word].map((letter) => letter.charCodeAt(0))];

// The arguments, all in bytes but the two counts. a: where the tile's rows begin, aRow from one row to the next, aIn from one
// factor to the next, aOut from one group of `inner` factors to the next; b and c alike; columns lie side by side.
export const ARGUMENTS = ["a", "aRow", "aIn", "aOut", "b", "bIn", "bOut", "c", "cRow", "inner", "outer"];

// One function: a tile of `rows` rows and 4 * vectors columns.
function tileCode(rows, vectors) {
  const names = Object.fromEntries(ARGUMENTS.map((name, i) => [name, i]));
  let next = ARGUMENTS.length;
  const local = () => next++;
  const pointers = Array.from({ length: rows }, local), left = local(), bAt = local(), aStart = local();
  const sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, local));
  const factors = Array.from({ length: vectors }, local), spread = local();
  const get = (i) => [GET, ...size(i)], set = (i) => [SET, ...size(i)];
  const move = (i, by) => [...get(i), ...get(by), ADD, ...set(i)];
  const everySum = (make) => sums.flatMap((row, r) => row.flatMap((sum, v) => make(sum, r, v)));
  const cAt = (r) => [...get(names.c), ...get(names.cRow), CONST, r, MUL, ADD];
  const aAt = (r) => [...get(aStart), ...get(names.aRow), CONST, r, MUL, ADD, ...set(pointers[r])];
  const code = [
    ...everySum((sum, r, v) => [...cAt(r), ...LOAD, ...size(16 * v), ...set(sum)]),
    ...get(names.a), ...set(aStart),
    LOOP, VOID, // over the outer groups
    ...pointers.flatMap((_, r) => aAt(r)), ...get(names.b), ...set(bAt), ...get(names.inner), ...set(left),
    LOOP, VOID, // over the factors of one group
    ...factors.flatMap((factor, v) => [...get(bAt), ...LOAD, ...size(16 * v), ...set(factor)]),
    ...sums.flatMap((row, r) => [
      ...get(pointers[r]), ...SPREAD, 0, ...set(spread),
      ...row.flatMap((sum, v) => [...get(sum), ...get(spread), ...get(factors[v]), ...TIMES, ...PLUS, ...set(sum)]),
      ...move(pointers[r], names.aIn),
    ]),
    ...move(bAt, names.bIn), ...get(left), CONST, 1, SUB, 0x22, ...size(left), AGAIN_IF, 0, END,
    ...move(aStart, names.aOut), ...move(names.b, names.bOut),
    ...get(names.outer), CONST, 1, SUB, 0x22, names.outer, AGAIN_IF, 0, END,
    ...everySum((sum, r, v) => [...cAt(r), ...get(sum), ...STORE, ...size(16 * v)]), END,
  ];
  const body = [...listed([[...size(rows + 3), I32], [...size(rows * vectors + vectors + 1), V128]]), ...code];
  return [...size(body.length), ...body];
}

/** {"rows,vectors": function} on this memory, or null where four numbers at a time are not known. */
export function fastTiles(memory, shapes) {
  const module = Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
    ...section(1, listed([[0x60, ...listed(ARGUMENTS.map(() => [I32])), 0]])),
    ...section(2, listed([[...text("page"), ...text("memory"), 2, 0, 1]])),
    ...section(3, listed(shapes.map(() => [0]))),
    ...section(7, listed(shapes.map((shape, i) => [...text(shape.join()), 0, i]))),
    ...section(10, listed(shapes.map((shape) => tileCode(...shape)))),
  ]);
  if (!WebAssembly.validate(module)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(module), { page: { memory: memory.wasm } }).exports;
}
